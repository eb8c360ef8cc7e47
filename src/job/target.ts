/** A target: an entry made definite, on its way through attempts to its one end. */
import { EXIT } from '../errors.ts';
import type { Entry } from '../list/entry.ts';
import {
  type NativeTarget,
  REASON,
  type RecordField,
  type TargetExtras,
} from '../native/binding.ts';
import type { Journalled } from './earlier.ts';
import type { Tie } from './journal-index.ts';
import type { FetchOptions } from './options.ts';
import type { FailedOutcome, Outcome } from './outcome.ts';
import { type PlannedEntry, redacted, withoutUserinfo } from './plan.ts';
import type { History } from './retry.ts';

/** As the engine takes it, and with what an outcome tells of it. */
export interface Target extends NativeTarget {
  /** As written. */
  readonly entry: string;
  /** Its list form, with hrefs. */
  readonly text: string;
  readonly serial: number;
  /** The journal has it done. */
  readonly isDone: boolean;
  /** The user chose its name: no server does. */
  readonly isChosen: boolean;
  /** The name that a server gave it in an earlier run, which is what the journal has; undefined when none did. */
  readonly named: string | undefined;
  readonly source: string | undefined;
  readonly line: number;
  readonly urlnum: number;
  /** Undefined until the first failure. */
  readonly history: History | undefined;
  /** Its other URLs, the next one first; undefined when it has none. */
  readonly mirrors: readonly string[] | undefined;
  /** Of those, how many were not tried yet. */
  readonly untried: number;
}

/** What is known of a target's last attempt. */
export type Evidence = Pick<Outcome, 'retries' | 'details'> & {
  readonly record: Readonly<Record<RecordField, number>>;
};

/** The targets not ended, each at the index that is its id. */
export class Targets {
  readonly #all: (Target | undefined)[] = [];
  readonly #free: number[] = [];

  /** How many there are. */
  get live(): number {
    return this.#all.length - this.#free.length;
  }

  /** There was never one. */
  get isUnused(): boolean {
    return this.#all.length === 0;
  }

  get(id: number): Target | undefined {
    return this.#all[id];
  }

  /** An id that no target has; `set` takes it. */
  freeId(): number {
    return this.#free.pop() ?? this.#all.length;
  }

  set(target: Target): void {
    this.#all[target.id] = target;
  }

  release(id: number): void {
    this.#all[id] = undefined;
    this.#free.push(id);
  }
}

/** What the core is to know of an entry that has options, or that an earlier run knew; undefined of any other. */
export function extrasOf(
  { url, text, mirrors }: PlannedEntry,
  checksum: string | undefined,
  known: Journalled | undefined,
  { resumeBy }: FetchOptions,
): TargetExtras | undefined {
  const { trustedBytes, doneBytes, isUnsure = false, doneVersion } = known ?? {};
  // To the core an entry that is planned again is new: else what was made before a `began` line would stay.
  const isChanged = known?.text !== undefined && known.text !== text;
  const version = known?.version ?? (isChanged ? '' : undefined);
  const { tie = 'version' } = known ?? {};
  const isMirrored = mirrors !== undefined && tie === 'version';
  const hasEarlier = version !== undefined || doneBytes !== undefined || isUnsure;
  if (text === url && checksum === undefined && !hasEarlier) {
    return undefined;
  }
  return {
    ...(text === url ? undefined : { entry: text }),
    ...(checksum === undefined ? undefined : { checksum }),
    ...(version === undefined
      ? undefined
      : begun(version, isMirrored ? 'etag' : tie, checksum, resumeBy)),
    ...(trustedBytes === undefined ? undefined : { trustedBytes }),
    ...(doneBytes === undefined ? undefined : { doneBytes }),
    ...(isUnsure ? { mayReplace: true } : undefined),
    ...(doneVersion === undefined ? undefined : { knownVersion: doneVersion }),
  };
}

/** What may be continued of a version, when that must vouch for it. */
function begun(
  version: string,
  tie: Tie,
  checksum: string | undefined,
  resumeBy: FetchOptions['resumeBy'],
): Pick<TargetExtras, 'version' | 'resumeBy'> {
  if (tie === 'version') {
    return { version, ...(resumeBy === 'size' ? { resumeBy } : undefined) };
  }
  // RFC 9110 8.8.3 and 8.8.2.2: a date is one server's own; a strong ETag may be compared, a checksum settles it.
  if (checksum !== undefined) {
    return { version, resumeBy: 'size' };
  }
  const [total = '', etag = '', , file = ''] = tie === 'etag' ? version.split('\t') : [];
  return { version: etag === '' ? '' : `${total}\t${etag}\t\t${file}` };
}

/** The target with the URL whose turn it is. */
export function turned(target: Target, turn: 'stay' | 'next' | 'drop'): Target {
  const [next, ...others] = target.mirrors ?? [];
  if (next === undefined || turn === 'stay') {
    return target;
  }
  const mirrors = turn === 'next' ? [...others, target.url] : others;
  return { ...target, url: next, mirrors, untried: Math.max(target.untried - 1, 0) };
}

/** What the next attempt, at `url`, may continue of what the last one left. */
export function resumable(
  target: Target,
  url: string,
  { record, details }: Evidence,
  resumeBy: FetchOptions['resumeBy'],
): TargetExtras {
  const { trustedBytes, version: _, ...extras } = target.extras ?? {};
  const version = record.reason === REASON.integrity ? '' : (details?.version ?? '');
  // What this attempt wrote is trusted; what it did not touch, as before.
  const trusted =
    trustedBytes === undefined || record.sizeDelivered > 0 ? undefined : { trustedBytes };
  if (url === target.url && target.mirrors !== undefined) {
    // It is this server's own; `extras` says how what an earlier run left may be continued.
    return { ...extras, ...trusted, version };
  }
  const tie = target.mirrors === undefined ? 'version' : 'etag';
  return { ...extras, ...trusted, ...begun(version, tie, extras.checksum, resumeBy) };
}

/** Which target an outcome is about. */
export function subject(
  target: Target,
): Pick<Outcome, 'source' | 'line' | 'urlnum' | 'entry' | 'url'> & { readonly name: string } {
  const { source, line, urlnum, entry, name } = target;
  const url = withoutUserinfo(target.url);
  // An entry that may have a password is shown as its URL without.
  return { source, line, urlnum, entry: entry.includes('@') ? url : entry, url, name };
}

/** The end of an entry that cannot be a target. */
export function badEntry(
  { line, text }: Entry,
  source: string | undefined,
  urlnum: number,
  message: string,
): FailedOutcome {
  const shown = redacted(text);
  return {
    type: 'fail',
    source,
    line,
    urlnum,
    entry: shown,
    url: shown,
    name: undefined,
    kind: 'list',
    exitCode: EXIT.usage,
    message,
    retries: 0,
    record: undefined,
    details: undefined,
  };
}
