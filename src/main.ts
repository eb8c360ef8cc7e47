/** argv -> command -> exit code; signals. The only file that ends the process. */
import { openSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import type { DisplayOptions, FetchCommand } from './cli/fetch.ts';
import { HELP } from './cli/help.ts';
import type { StatusCommand } from './cli/status.ts';
import { EXIT, type ExitCode, McurlError, UsageError } from './errors.ts';
import { escapeText } from './escape.ts';
import type { Outcome } from './job/outcome.ts';
import type { Logger } from './log.ts';
import type { Output } from './output.ts';
import type { Progress } from './progress/progress.ts';

/** What a signal ends the process with. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
/** After the first signal, running transfers and unread output get so long. */
const GRACE_MS = 3000;
/** Output that may wait for its reader before no more entries are read. */
const MOST_BUFFERED = 1024 * 1024;
/** Single failures told on stderr; a million of them would help nobody. */
const MOST_FAILURE_LINES = 1000;
/** A job that is over sooner shows no progress and loads none of it. */
const PROGRESS_AFTER_MS = 200;

/** Codes of errors that are trouble with local files. */
const LOCAL_TROUBLE = [
  'ERR_MCURL_DIRECTORY',
  'ERR_MCURL_FILE',
  'ERR_MCURL_JOURNAL',
  'ERR_MCURL_LOCKED',
  'ERR_MCURL_LOG',
];

/** Ends the process. Once there is an engine it is the engine's `exit`, as its loops may run. */
let leave = (code: number): never => process.exit(code);
/** MCURL_DEBUG or `--log-level debug`: a defect shows its stack. */
let isDebugging = Boolean(process.env['MCURL_DEBUG']);

/** How signals end a job. */
interface Stop {
  /** Exit code of the first signal. */
  readonly code: number | undefined;
  /** Resolves when the time of grace after it is over. */
  readonly graceOver: Promise<void>;
}

/** The last time that was written as text. */
let stampedAtMs = 0;
let stamp = '';

process.on('uncaughtException', die);
process.on('unhandledRejection', die);
try {
  await run(process.argv.slice(2));
} catch (error) {
  die(error);
}

async function run(argv: readonly string[]): Promise<void> {
  // The plain questions for help need no parser, and loading one takes longer than answering.
  const words = argv[0] === 'fetch' ? argv.slice(1) : argv;
  if (words.length === 1 && ['-h', '--help'].includes(words[0] ?? '')) {
    say(1, HELP);
    return;
  }
  const { readArguments } = await import('./cli/program.ts');
  const invocation = readArguments(argv);
  if (invocation.kind === 'help') say(1, HELP);
  else if (invocation.kind === 'version') say(1, await versionText());
  else if (invocation.kind === 'status') await status(invocation);
  else if (invocation.dryRun) await plan(invocation);
  else await fetch(invocation);
}

async function status({ path, json }: StatusCommand): Promise<never> {
  const [{ readJournalStatus }, { statusLine, statusText }, { Output }] = await Promise.all([
    import('./job/journal-status.ts'),
    import('./report/status.ts'),
    import('./output.ts'),
  ]);
  const found = await readJournalStatus(path);
  const stdout = new Output(1);
  stdout.write(json ? statusLine(found) : statusText(found));
  await stdout.flush();
  if (stdout.failure) say(2, `mcurl: output was lost: ${stdout.failure.message}\n`);
  return leave(stdout.failure ? EXIT.local : found.exitCode);
}

/** Where a command speaks. */
interface Desk {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly log: Logger | undefined;
  /** Shows below what is printed while it is there. */
  progress: Progress | undefined;
  /** Puts one line on stderr. */
  print(line: string): void;
  /** Tells an outcome wherever it is to be told. */
  tell(outcome: Outcome): void;
  /** Resolves when no reader is far behind. */
  room(): Promise<void>;
  flush(): Promise<unknown>;
  /** Why something that was written did not arrive. */
  readonly failure: Error | undefined;
}

async function openDesk(display: DisplayOptions, directory: string): Promise<Desk> {
  const [{ Output }, events, { failureText }] = await Promise.all([
    import('./output.ts'),
    display.json ? import('./report/events.ts') : undefined,
    import('./report/summary.ts'),
  ]);
  const stdout = new Output(1);
  const stderr = new Output(2);
  const print = (line: string): void => {
    if (desk.progress) desk.progress.print(line);
    else stderr.write(`${line}\n`);
  };
  const logFile =
    display.logFile === undefined ? undefined : new Output(openLogFile(display.logFile));
  const log = await startLog(display, logFile, print);
  const outputs = logFile ? [stdout, stderr, logFile] : [stdout, stderr];
  const isTelling = display.failures && (log === undefined || logFile !== undefined);
  let failureLines = 0;
  const tellFailure = (outcome: Outcome): void => {
    failureLines += 1;
    if (failureLines <= MOST_FAILURE_LINES) print(`mcurl: ${failureText(outcome)}`);
    if (failureLines === MOST_FAILURE_LINES) {
      print('mcurl: further failures are only counted here; --json and --log-file tell each');
    }
  };
  const desk: Desk = {
    stdout,
    stderr,
    log,
    progress: undefined,
    print,
    tell(outcome) {
      if (events) stdout.write(events.outcomeLine(outcome, directory, timestamp()));
      if (log) logOutcome(log, outcome);
      if (isTelling && outcome.type === 'fail') tellFailure(outcome);
    },
    async room() {
      await outputs.find((output) => output.length > MOST_BUFFERED)?.flush();
    },
    flush: () => Promise.all(outputs.map((output) => output.flush())),
    get failure() {
      return outputs.find(({ failure }) => failure !== undefined)?.failure;
    },
  };
  return desk;
}

/** Ends the process: what a signal says, or the output that was lost, or how the job went. */
async function close(desk: Desk, stop: Stop, exitCode: ExitCode): Promise<never> {
  await Promise.race([desk.flush(), stop.graceOver]);
  if (desk.failure) say(2, `mcurl: output was lost: ${desk.failure.message}\n`);
  const isLocal = desk.failure && (exitCode === EXIT.ok || exitCode > EXIT.local);
  return leave(stop.code ?? (isLocal ? EXIT.local : exitCode));
}

async function fetch({ inputs, options, display }: FetchCommand): Promise<never> {
  const [{ fetchAll }, { summaryLines }] = await Promise.all([
    import('./job/fetch.ts'),
    import('./report/summary.ts'),
  ]);
  const desk = await openDesk(display, options.directory);
  const { log, print } = desk;
  const job = fetchAll(inputs, {
    ...options,
    outcomes: display.json || log?.isLevelEnabled('debug') ? 'all' : 'failures',
    onRetry({ url, attempt, delayMs, message }) {
      log?.warn({ url: escapeText(url), attempt, delayMs }, escapeText(message));
    },
  });
  leave = (code) => job.exit(code);
  if (job.jobs < options.jobs && !display.silent) {
    print(`mcurl: only ${job.jobs} transfers at once: more need more open files (ulimit -n)`);
  }
  const stop = stopOnSignals(() => job.stop());
  log?.info({ directory: options.directory, jobs: options.jobs }, 'started');
  const tellAll = async () => {
    for await (const outcome of job) {
      desk.tell(outcome);
      await desk.room();
    }
  };
  let isOver = false;
  if (display.progress) {
    const isShared = options.request?.verbose === true || (display.json && isatty(1));
    const showProgress = async () => {
      const { loadProgress } = await import('./progress/progress.ts');
      const startProgress = await loadProgress(isShared);
      if (!isOver) desk.progress = startProgress(job, desk.stderr);
    };
    setTimeout(() => {
      // A job that has every descriptor in use goes on unseen.
      showProgress().catch((error: unknown) => log?.warn(error, 'no progress'));
    }, PROGRESS_AFTER_MS).unref();
  }
  try {
    await Promise.race([tellAll(), stop.graceOver]);
  } finally {
    isOver = true;
    desk.progress?.stop();
    desk.progress = undefined;
  }

  const { stats } = job;
  const { bytes } = job.sample();
  const durationMs = Date.now() - stats.startedAtMs;
  const { done, skipped, failed, retries, exitCode } = stats;
  log?.info({ done, skipped, failed, retries, bytes, durationMs }, 'ended');
  if (!display.silent) {
    const wasStopped = stop.code !== undefined;
    for (const line of summaryLines(stats, bytes, durationMs, wasStopped)) print(line);
    for (const note of job.notes) print(`mcurl: ${escapeText(note)}`);
  }
  return close(desk, stop, exitCode);
}

async function plan({ inputs, options, display }: FetchCommand): Promise<never> {
  const [{ planAll }, { planLine }, { planText }] = await Promise.all([
    import('./job/dry-run.ts'),
    import('./report/events.ts'),
    import('./report/summary.ts'),
  ]);
  const { directory } = options;
  const desk = await openDesk(display, directory);
  const abort = new AbortController();
  const stop = stopOnSignals(() => abort.abort());
  const counts = { fetch: 0, exist: 0, fail: 0 };
  const textOf = display.json ? planLine : planText;
  const tellAll = async () => {
    for await (const planned of planAll(inputs, { ...options, signal: abort.signal })) {
      if (planned.type === 'plan') {
        counts[planned.exists ? 'exist' : 'fetch'] += 1;
        desk.stdout.write(textOf(planned, directory));
      } else {
        counts.fail += 1;
        desk.tell(planned);
      }
      await desk.room();
    }
  };
  const told = tellAll().catch((error: unknown) => {
    if (!abort.signal.aborted) throw error;
  });
  await Promise.race([told, stop.graceOver]);
  if (!display.silent) {
    desk.print(
      `mcurl: dry run: ${counts.fetch} to fetch, ${counts.exist} exist, ${counts.fail} failed`,
    );
  }
  return close(desk, stop, counts.fail > 0 ? EXIT.usage : EXIT.ok);
}

/** Now, ISO 8601. Thousands of outcomes share a millisecond, and the text costs as much as all the rest of a line. */
function timestamp(): string {
  const nowMs = Date.now();
  if (nowMs !== stampedAtMs) {
    stampedAtMs = nowMs;
    stamp = new Date(nowMs).toISOString();
  }
  return stamp;
}

/**
 * The first signal calls `stop` and starts the time of grace; any second one ends the process at once.
 * SIGHUP is like SIGTERM unless it was ignored when mcurl began (nohup).
 */
function stopOnSignals(stop: () => void): Stop {
  let code: number | undefined;
  const graceOver = new Promise<void>((resolve) => {
    for (const [signal, itsCode] of Object.entries(SIGNALS)) {
      process.on(signal, () => {
        if (signal === 'SIGHUP' && wasHangUpIgnored()) return;
        if (code !== undefined) {
          if (isatty(2)) say(2, '\n');
          leave(code);
        }
        code = itsCode;
        setTimeout(resolve, GRACE_MS);
        stop();
      });
    }
  });
  return {
    graceOver,
    get code() {
      return code;
    },
  };
}

/** By what bin/mcurl.js found in /proc: a mask, of which SIGHUP is the lowest bit. */
function wasHangUpIgnored(): boolean {
  return (Number.parseInt(process.env['MCURL_SIGIGN']?.slice(-1) ?? '', 16) & 1) === 1;
}

function openLogFile(path: string): number {
  try {
    return openSync(path, 'a');
  } catch (cause) {
    throw new McurlError('ERR_MCURL_LOG', `cannot write the log: ${(cause as Error).message}`, {
      cause,
    });
  }
}

async function startLog(
  { logFile, logLevel }: DisplayOptions,
  file: Output | undefined,
  print: (line: string) => void,
): Promise<Logger | undefined> {
  if (logFile === undefined && logLevel === undefined) return undefined;
  isDebugging ||= logLevel === 'debug' || logLevel === 'trace';
  const { openLog } = await import('./log.ts');
  const write = (lines: string) => (file ? file.write(lines) : print(lines.trimEnd()));
  return openLog(logLevel ?? 'info', write);
}

function logOutcome(log: Logger, outcome: Outcome): void {
  const { type, source, line, url, name, kind, retries, message, skipReason } = outcome;
  const shown = { source, line, url: escapeText(url), name, kind, retries };
  if (type === 'fail') log.error(shown, escapeText(message ?? 'failed'));
  else log.debug(shown, skipReason ?? type);
}

/** libcurl's version is a bonus here: without a built core there is still mcurl's. */
async function versionText(): Promise<string> {
  const [{ mcurlVersion }, { binding }] = await Promise.all([
    import('./cli/version.ts'),
    import('./native/binding.ts'),
  ]);
  try {
    return `mcurl ${mcurlVersion()}\n${binding().curlVersion}\n`;
  } catch (error) {
    return `mcurl ${mcurlVersion()}\nno libcurl: ${(error as Error).message}\n`;
  }
}

/** Writes at once, for what comes before or after a job. A reader that is gone is no trouble. */
function say(fd: 1 | 2, text: string): void {
  try {
    writeSync(fd, text);
  } catch {}
}

function die(error: unknown): never {
  const message = error instanceof Error ? error.message : String(error);
  say(2, `mcurl: ${message.split('\n').map(escapeText).join('\n')}\n`);
  if (error instanceof UsageError && error.code === 'ERR_MCURL_OPTION')
    say(2, "Type 'mcurl --help' for the options.\n");
  if (isDebugging && error instanceof Error) say(2, `${error.stack}\n`);
  else if (!(error instanceof McurlError)) {
    say(2, 'This is a defect of mcurl; MCURL_DEBUG=1 shows where.\n');
  }
  return leave(exitCodeOf(error));
}

function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof UsageError) return EXIT.usage;
  const code = error instanceof McurlError ? error.code : '';
  if (code === 'ERR_MCURL_UNSUPPORTED') return EXIT.usage;
  return LOCAL_TROUBLE.includes(code) ? EXIT.local : EXIT.defect;
}
