/** An engine without a core: it keeps the wake protocol of the real one, and each target ends as the test says. */
import {
  type Details,
  type EngineOptions,
  type NativeTarget,
  REASON,
  RECORD_FIELDS,
  RECORD_SIZE,
  type RecordField,
  SAMPLE_HEADER,
  SAMPLE_SIZE,
} from '../../src/native/binding.ts';

export type Answer = Partial<Record<RecordField, number>> &
  Partial<Pick<Details, 'error' | 'urlEffective'>> & {
    readonly texts?: Partial<Pick<Details, 'version' | 'digest' | 'contentDisposition'>>;
  };

export class FakeEngine {
  /** The one that was made last. */
  static last: FakeEngine;
  /** What a target ends as; undefined keeps it running. */
  static answer: (target: NativeTarget, attempt: number) => Answer | undefined;

  readonly options: EngineOptions;
  readonly jobs = 7;
  readonly added: NativeTarget[] = [];
  readonly batches: number[] = [];
  readonly published: [partOf: string, name: string, mayReplace: boolean][] = [];
  /** What `publishAs` answers. */
  static publishing: { osErrno: number; error: string } | undefined;
  readonly lacksAttributes = false;
  readonly paused: [url: string, pauseMs: number][] = [];
  mostInFlight = 0;
  isStopped = false;
  isClosed = false;

  readonly #onWake: () => void;
  readonly #running = new Map<number, NativeTarget>();
  readonly #attempts = new Map<string, number>();
  #records: Answer[] = [];
  #details = new Map<number, Details>();
  #isArmed = true;

  constructor(options: EngineOptions, onWake: () => void) {
    this.options = options;
    this.#onWake = onWake;
    FakeEngine.last = this;
  }

  add(targets: readonly NativeTarget[]): void {
    if (this.isStopped) {
      throw new Error('add after stop');
    }
    this.batches.push(targets.length);
    for (const target of targets) {
      if (this.#running.has(target.id)) {
        throw new Error(`target ${target.id} is in flight already`);
      }
      this.added.push(target);
      this.#running.set(target.id, target);
      const attempt = (this.#attempts.get(target.url) ?? 0) + 1;
      this.#attempts.set(target.url, attempt);
      const answer = FakeEngine.answer(target, attempt);
      if (answer !== undefined) {
        this.end(target.id, answer);
      }
    }
    this.mostInFlight = Math.max(this.mostInFlight, this.#running.size);
  }

  /** The record of a target, which `infoRead` will give. */
  end(id: number, answer: Answer): void {
    this.#records.push({ ...answer, id });
    if (this.#isArmed) {
      this.#isArmed = false;
      setImmediate(this.#onWake);
    }
  }

  infoRead(into: Float64Array): number {
    const records = this.#records.splice(0, into.length / RECORD_SIZE);
    this.#isArmed = records.length === 0;
    this.#details.clear();
    records.forEach((answer, index) => {
      const id = answer.id as number;
      const urlEffective = answer.urlEffective ?? this.#running.get(id)?.url ?? '';
      const fields = { retryAfterMs: -1, ...answer };
      RECORD_FIELDS.forEach((field, offset) => {
        into[index * RECORD_SIZE + offset] = fields[field] ?? 0;
      });
      this.#running.delete(id);
      if (this.options.keepDetails || answer.reason !== REASON.done) {
        const error = answer.error ?? '';
        const texts = { version: '', digest: '', contentDisposition: '', ...answer.texts };
        this.#details.set(id, { urlEffective, error, remoteIp: null, contentType: null, ...texts });
      }
    });
    return records.length;
  }

  details(id: number): Details | undefined {
    return this.#details.get(id);
  }

  /** Each transfer has 10 of 20 bytes after a second. */
  sample(into: Float64Array): number {
    const ids = [...this.#running.keys()].slice(0, (into.length - SAMPLE_HEADER) / SAMPLE_SIZE);
    into.set([10 * this.#running.size, this.#running.size, 0, 0]);
    into.set(
      ids.flatMap((id) => [id, 10, 20, 1e6]),
      SAMPLE_HEADER,
    );
    return ids.length;
  }

  pauseHost(url: string, pauseMs: number): void {
    this.paused.push([url, pauseMs]);
  }

  publishAs(partOf: string, name: string, mayReplace: boolean) {
    this.published.push([partOf, name, mayReplace]);
    return FakeEngine.publishing;
  }

  /** All that run end. */
  stop(): void {
    this.isStopped = true;
    const ending = new Set(this.#records.map(({ id }) => id));
    for (const id of this.#running.keys()) {
      if (!ending.has(id)) {
        this.end(id, { reason: REASON.stopped });
      }
    }
  }

  async close(): Promise<void> {
    this.stop();
    this.isClosed = true;
  }
}
