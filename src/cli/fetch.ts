/** `mcurl fetch`: argv -> what the job does and what the person sees. */
import { fstatSync } from 'node:fs';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { Command, Option } from 'commander';
import { UsageError } from '../errors.ts';
import type { FetchOptions, Input, RetryOptions } from '../job/options.ts';
import { outputProblem } from '../job/plan.ts';
import { parseRetryOn } from '../job/retry.ts';
import {
  type Cookies,
  certificate,
  checksum,
  connectToLine,
  continueAt,
  cookies,
  duration,
  headers,
  headerText,
  protocols,
  readableFile,
  resolveLine,
  several,
  size,
  userpwd,
  whole,
} from './values.ts';
import { mcurlVersion } from './version.ts';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

type RequestOptions = NonNullable<FetchOptions['request']>;

/** What the person sees of a job. */
export interface DisplayOptions {
  /** Records on stdout. */
  readonly json: boolean;
  /** `-s`: no progress, no summary; and no failures unless `-S`. */
  readonly silent: boolean;
  /** Single failures as lines on stderr. */
  readonly failures: boolean;
  readonly progress: boolean;
  /** Appended to; stderr when only a level is given. */
  readonly logFile?: string;
  readonly logLevel?: LogLevel;
}

export interface FetchCommand {
  readonly inputs: readonly Input[];
  readonly options: FetchOptions & { readonly directory: string; readonly jobs: number };
  /** Only tell what would be fetched to where. */
  readonly dryRun: boolean;
  readonly display: DisplayOptions;
}

/** As commander hands the options over: by their long names. */
interface Flags {
  readonly inputFile?: readonly string[];
  readonly outputDir: string;
  readonly output?: string;
  readonly jobs: number;
  readonly maxPerHost: number;
  readonly loops: number;
  readonly overwrite?: true;
  readonly journal?: string | false;
  readonly durable?: true;
  readonly resumeBy?: 'validator' | 'size';
  readonly onlyFailed?: true;
  readonly failedOut?: string;
  readonly checksum?: string;
  readonly keepBad?: true;
  readonly manifest?: string;
  readonly maxFilesize?: number;
  readonly remoteTime?: true;
  readonly xattr?: true;
  readonly ifModified?: true;
  readonly remoteHeaderName?: true;
  readonly dryRun?: true;
  readonly header?: readonly string[];
  readonly userAgent?: string;
  readonly referer?: string;
  readonly user?: string;
  readonly cookie?: Cookies;
  readonly proxy?: string;
  readonly insecure?: true;
  readonly ipv4?: true;
  readonly ipv6?: true;
  readonly netrc?: true;
  readonly cacert?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly resolve?: readonly string[];
  readonly connectTo?: readonly string[];
  readonly interface?: string;
  readonly private: boolean;
  readonly 'http1.1'?: true;
  readonly http2?: true;
  readonly http3?: true;
  readonly compressed?: true;
  readonly locationTrusted?: true;
  readonly proto?: string[];
  readonly connectTimeout: number;
  readonly maxTime: number;
  readonly speedTime: number;
  readonly speedLimit: number;
  readonly retry: number;
  readonly retryOn?: Pick<RetryOptions, 'statuses' | 'kinds'>;
  readonly json?: true;
  readonly silent?: true;
  readonly showError?: true;
  readonly verbose?: true;
  readonly progressMeter: boolean;
  readonly logFile?: string;
  readonly logLevel?: LogLevel;
}

/** Options of curl's that change nothing here, so that its command lines can be pasted. */
const ACCEPTED = ['-L, --location', '-O, --remote-name', '-f, --fail', '-Z, --parallel'];
const ACCEPTED_MORE = [
  '-#, --progress-bar',
  '--remote-name-all',
  '--create-dirs',
  '--fail-with-body',
];

const SENDS = 'sends something; mcurl only downloads: use curl for this';

/** Options of curl's that mcurl does not have, and what to do instead. */
const REFUSED: readonly (readonly [flags: string, why: string])[] = [
  ['-X, --request <method>', SENDS],
  ['-T, --upload-file <file>', SENDS],
  ['-F, --form <part>', SENDS],
  ['--data <text>', SENDS],
  ['--data-ascii <text>', SENDS],
  ['--data-binary <text>', SENDS],
  ['--data-raw <text>', SENDS],
  ['--data-urlencode <text>', SENDS],
  ['-I, --head', 'fetches no file; mcurl only downloads files: use curl for this'],
  ['-c, --cookie-jar <file>', 'keeps cookies; mcurl only sends them (-b): use curl to get some'],
  ['-w, --write-out <format>', 'is not there: use --json, which tells all, one line a file'],
  [
    '--limit-rate <speed>',
    'is not there: -j and --max-per-host make mcurl gentler; for a limit of speed use curl',
  ],
];

/** Other programs' names of an option. */
const ALIASES: readonly (readonly [flag: string, of: string])[] = [
  ['--parallel-max <n>', 'jobs'],
  ['--max-concurrent-downloads <n>', 'jobs'],
  ['--parallel-max-host <n>', 'maxPerHost'],
  ['--dir <dir>', 'outputDir'],
];

/**
 * The `fetch` command.
 *
 * @param onFetch gets what the command line asks for; not called when it is refused
 */
export function fetchCommand(onFetch: (fetch: FetchCommand) => void): Command {
  const most = 65_535;
  const command = new Command('fetch')
    .argument('[url-or-list...]')
    .option('-i, --input-file <file>', '', several)
    .option('-d, --output-dir <dir>', '', '.')
    .option('-o, --output <file>', '')
    .option('-j, --jobs <n>', '', whole(1, most), 64)
    .option('--max-per-host <n>', '', whole(1, most), 16)
    .option('--loops <n>', '', whole(0, 1024), 0)
    .option('--overwrite', '')
    .option('--if-modified', '')
    .option('--journal <file>', '')
    .option('--no-journal', '')
    .addOption(new Option('--resume-by <what>').choices(['validator', 'size']))
    .option('--only-failed', '')
    .option('--failed-out <file>', '')
    .option('--durable', '')
    .option('-J, --remote-header-name', '')
    .option('-R, --remote-time', '')
    .option('--xattr', '')
    .option('--checksum <type=hex>', '', checksum)
    .option('--keep-bad', '')
    .option('--manifest <file>', '')
    .option('--max-filesize <bytes>', '', size)
    .option('--dry-run', '')
    .option('-H, --header <line>', '', headers)
    .option('-A, --user-agent <name>', '', headerText)
    .option('-e, --referer <url>', '', headerText)
    .option('-u, --user <user:password>', '', userpwd)
    .option('-b, --cookie <cookie>', '', cookies)
    .option('-x, --proxy <url>', '')
    .option('-n, --netrc', '')
    .option('-k, --insecure', '')
    .addOption(new Option('-4, --ipv4').conflicts('ipv6'))
    .option('-6, --ipv6', '')
    .option('-E, --cert <file[:password]>', '')
    .option('--key <file>', '')
    .addOption(new Option('--cacert <file>').argParser(readableFile))
    .option('--resolve <line>', '', resolveLine)
    .option('--connect-to <line>', '', connectToLine)
    .option('--interface <name>', '')
    .option('--no-private', '')
    .addOption(new Option('--http1.1').conflicts(['http2', 'http3']))
    .addOption(new Option('--http2').conflicts('http3'))
    .option('--http3', '')
    .option('--compressed', '')
    .option('--location-trusted', '')
    .option('--proto <schemes>', '', protocols)
    .option('--connect-timeout <seconds>', '', duration, 30_000)
    .option('-m, --max-time <seconds>', '', duration, 0)
    .option('-y, --speed-time <seconds>', '', whole(0, 86_400), 60)
    .option('-Y, --speed-limit <bytes>', '', size, 1)
    .option('--retry <n>', '', whole(0, 1_000_000), 5)
    .option('--retry-on <list>', '', parseRetryOn)
    .option('--json', '')
    .option('-s, --silent', '')
    .option('-S, --show-error', '')
    .option('-v, --verbose', '')
    .option('--no-progress-meter', '')
    .option('--log-file <file>', '')
    .addOption(new Option('--log-level <level>').choices(LOG_LEVELS));

  for (const flags of [...ACCEPTED, ...ACCEPTED_MORE])
    command.addOption(new Option(flags).hideHelp());
  command.addOption(new Option('-C, --continue-at <offset>').hideHelp().argParser(continueAt));
  for (const [flags, name] of ALIASES) {
    const option = new Option(flags).hideHelp();
    const original = command.options.find((other) => other.attributeName() === name);
    if (original?.parseArg) option.argParser(original.parseArg);
    command.addOption(option);
    command.on(`option:${option.name()}`, () => {
      command.setOptionValueWithSource(name, command.getOptionValue(option.attributeName()), 'cli');
    });
  }
  for (const [flags, why] of REFUSED) {
    const option = new Option(flags).hideHelp();
    command.addOption(option);
    command.on(`option:${option.name()}`, () => {
      throw new UsageError('ERR_MCURL_OPTION', `${option.short ?? option.long} ${why}`);
    });
  }
  return command.action((operands: string[]) => onFetch(read(operands, command.opts<Flags>())));
}

function read(operands: readonly string[], flags: Flags): FetchCommand {
  const named = [...(flags.inputFile ?? []).map((list) => ({ list })), ...operands.map(input)];
  const { directory, output } = place(flags);
  // Without inputs the journal itself tells what failed.
  const inputs = named.length > 0 || flags.onlyFailed ? named : [stdin()];
  return {
    inputs: withOptions(inputs, output, flags.checksum),
    options: {
      directory,
      jobs: flags.jobs,
      maxPerHost: flags.maxPerHost,
      loops: flags.loops,
      overwrite: flags.overwrite ?? false,
      request: request(flags),
      retry: { ...flags.retryOn, attempts: flags.retry },
      maxTimeMs: flags.maxTime,
      ...given({
        journal: flags.journal,
        durable: flags.durable,
        resumeBy: flags.resumeBy,
        onlyFailed: flags.onlyFailed,
        failedOut: flags.failedOut,
        keepBad: flags.keepBad,
        manifest: flags.manifest,
        remoteTime: flags.remoteTime,
        xattr: flags.xattr,
        ifModified: flags.ifModified,
        remoteName: flags.remoteHeaderName,
      }),
    },
    dryRun: flags.dryRun ?? false,
    display: {
      json: flags.json ?? false,
      silent: flags.silent ?? false,
      failures: !flags.silent || (flags.showError ?? false),
      progress: flags.progressMeter && !flags.silent,
      ...given({ logFile: flags.logFile, logLevel: flags.logLevel }),
    },
  };
}

function input(operand: string): Input {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(operand) ? operand : { list: operand };
}

/** The inputs, of which one URL may have options of its own. */
function withOptions(
  inputs: readonly Input[],
  output: string | undefined,
  checksum: string | undefined,
): readonly Input[] {
  if (output === undefined && checksum === undefined) return inputs;
  const [url] = inputs;
  if (inputs.length !== 1 || typeof url !== 'string') {
    throw new UsageError(
      'ERR_MCURL_OPTION',
      output === undefined
        ? '--checksum is that of exactly one URL: in a list, write it below each URL (checksum=TYPE=HEX)'
        : '-o names the file of exactly one URL: for several, choose the directory with -d',
    );
  }
  const problem = output === undefined ? undefined : outputProblem(output);
  if (problem !== undefined) throw new UsageError('ERR_MCURL_OPTION', `-o ${problem}`);
  return [{ url, ...given({ output, checksum }) }];
}

/** What a pipe or a redirection brings when nothing else is named. */
function stdin(): Input {
  const stat = fstatSync(0);
  if (stat.isFIFO() || stat.isFile() || stat.isSocket()) return { list: '-' };
  throw new UsageError(
    'ERR_MCURL_OPTION',
    'nothing to fetch: name URLs or list files, for example: mcurl fetch urls.txt -d files',
  );
}

/** The output directory and, with `-o`, the name in it. */
function place(flags: Flags): { readonly directory: string; readonly output?: string } {
  if (flags.output === undefined) return { directory: flags.outputDir };
  if (flags.output === '-') {
    throw new UsageError(
      'ERR_MCURL_OPTION',
      '-o - (to stdout) is not there yet: use curl, or -o FILE',
    );
  }
  const output = basename(flags.output);
  if (flags.output.endsWith('/')) {
    throw new UsageError(
      'ERR_MCURL_OPTION',
      `-o ${flags.output} names no file: use -d for a directory`,
    );
  }
  const parent = dirname(flags.output);
  return { directory: isAbsolute(parent) ? parent : join(flags.outputDir, parent), output };
}

function request(flags: Flags): RequestOptions {
  const cacert = flags.cacert ?? (process.env['CURL_CA_BUNDLE'] || process.env['SSL_CERT_FILE']);
  return {
    userAgent: flags.userAgent ?? `mcurl/${mcurlVersion()}`,
    connectTimeoutMs: flags.connectTimeout,
    speedTimeS: flags.speedTime,
    speedLimit: flags.speedLimit,
    ...flags.cookie,
    ...(flags.cert === undefined ? undefined : certificate(flags.cert)),
    ...given({
      headers: flags.header,
      referer: flags.referer,
      userpwd: flags.user,
      proxy: flags.proxy,
      insecure: flags.insecure,
      ipVersion: flags.ipv4 ? (4 as const) : flags.ipv6 ? (6 as const) : undefined,
      netrc: flags.netrc,
      cacert: cacert || undefined,
      key: flags.key,
      resolve: flags.resolve,
      connectTo: flags.connectTo,
      interface: flags.interface,
      noPrivate: flags.private ? undefined : true,
      httpVersion: httpVersion(flags),
      compressed: flags.compressed,
      locationTrusted: flags.locationTrusted,
      protocols: flags.proto,
      maxFilesize: flags.maxFilesize,
      verbose: flags.verbose,
    }),
  };
}

function httpVersion(flags: Flags): RequestOptions['httpVersion'] {
  if (flags.http3) return '3';
  if (flags.http2) return '2';
  return flags['http1.1'] ? '1.1' : undefined;
}

/** Without the keys that are undefined. */
function given<T extends object>(values: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [Key in keyof T]?: Exclude<T[Key], undefined>;
  };
}
