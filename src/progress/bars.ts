/**
 * Progress on a terminal: one line for the whole job, and a few bars for the transfers worth watching.
 *
 * Every frame is one write. The cursor stays visible and wrapping stays on (lines are cut to fit), so there is no
 * state of the terminal to restore, however the program ends.
 */
import cliProgress from 'cli-progress';
import type { Job } from '../job/fetch.ts';
import type { Transfer } from '../job/outcome.ts';
import type { Output } from '../output.ts';
import type { Progress } from './progress.ts';
import { etaMs, pickTransfers, Rates } from './stats.ts';
import { columnsOf, cut, endedOf, type Totals, totalOf, totalText, transferText } from './text.ts';

const FRAMES_PER_S = 10;
const MOST_BARS = 8;
/** Transfers looked at for a bar; more are in flight only when each is too short-lived to be read. */
const MOST_SAMPLED = 4096;
const BAR_COLUMNS = 20;
const CLEAR_BELOW = '\u001b[J';

/** The window: `process.stderr` when that is a terminal. */
export interface Window {
  readonly columns: number;
  readonly rows: number;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

/** A line for a transfer; blank while it has none. */
interface Slot {
  readonly bar: cliProgress.SingleBar;
  transfer: Transfer | undefined;
  /** Of this attempt alone. */
  rates: Rates;
}

export function startBars(job: Job, window: Window, output: Output): Progress {
  return new Bars(job, window, output);
}

class Bars implements Progress {
  readonly #job: Job;
  readonly #window: Window;
  readonly #output: Output;
  readonly #multi: cliProgress.MultiBar;
  readonly #total: cliProgress.SingleBar;
  readonly #slots: Slot[] = [];
  readonly #rates = new Rates();
  #totals: Totals;
  /** Lines to put above the bars with the next frame. */
  #printed = '';
  /** What cli-progress wrote since the last frame left. */
  #pieces: string[] = [];
  /** Where in `#pieces` the present frame began. */
  #frameAt = 0;
  /** The terminal has not taken the last frame yet, so this one is dropped. */
  #isBehind = false;
  /** cli-progress draws each time that it loses a bar; nothing of that is to be seen. */
  #isRemoving = false;
  /** The window has another size than the last frame was drawn for. */
  #isResized = false;
  /** Columns of each line that is on the screen. */
  #drawn: number[] = [];

  constructor(job: Job, window: Window, output: Output) {
    this.#job = job;
    this.#totals = { stats: job.stats, bytes: 0, bytesPerS: 0, etaMs: undefined };
    this.#window = window;
    this.#output = output;
    const stream = {
      isTTY: true,
      // cli-progress cuts by UTF-16 units what `cut` has cut by columns; this keeps it from cutting.
      columns: Number.MAX_SAFE_INTEGER,
      write: (text: string) => this.#pieces.push(text) > 0,
    };
    this.#multi = new cliProgress.MultiBar({
      stream: stream as unknown as NodeJS.WritableStream,
      fps: FRAMES_PER_S,
      barsize: BAR_COLUMNS,
      barCompleteChar: '=',
      barIncompleteChar: ' ',
      emptyOnZero: true,
      clearOnComplete: true,
      forceRedraw: true,
      gracefulExit: false,
      hideCursor: false,
      // cli-progress turns wrapping off for anything but true.
      linewrap: true,
    });
    this.#multi.on('update-pre', () => this.#beginFrame());
    this.#multi.on('update-post', () => this.#endFrame());
    this.#total = this.#addLine(0, (bar) => this.#totalLine(bar));
    window.on('resize', this.#onResize);
    process.on('SIGTSTP', this.#onSuspend);
  }

  print(line: string): void {
    this.#printed += `${line}\n`;
  }

  stop(): void {
    this.#window.off('resize', this.#onResize);
    process.off('SIGTSTP', this.#onSuspend);
    this.#multi.stop();
    this.#output.write(this.#pieces.join('') + this.#printed);
    this.#pieces = [];
    this.#printed = '';
  }

  get #width(): number {
    return Math.max((this.#window.columns || 80) - 1, 1);
  }

  get #mostBars(): number {
    return Math.max(Math.min((this.#window.rows || 24) - 2, MOST_BARS), 0);
  }

  #addLine(index: number, line: (bar: string) => string): cliProgress.SingleBar {
    return this.#multi.create(
      0,
      0,
      {},
      {
        format: (options, { progress }) => {
          const text = line(cliProgress.Format.BarFormat(progress, options));
          this.#drawn[index] = columnsOf(text);
          return text;
        },
      },
    );
  }

  #totalLine(bar: string): string {
    const isDrawn = totalOf(this.#job.stats) !== undefined && this.#width >= 80;
    const drawn = isDrawn ? `[${bar}] ` : '';
    return cut(drawn + totalText(this.#totals, '  ', this.#width - drawn.length), this.#width);
  }

  #beginFrame(): void {
    this.#frameAt = this.#pieces.length;
    this.#isBehind = this.#isRemoving || (this.#output.length > 0 && !this.#isResized);
    this.#isResized = false;
    if (this.#isBehind) return;
    this.#look();
    if (this.#printed !== '') {
      // These may be longer than the window: what is below goes first, then they may wrap as they like.
      this.#multi.log(CLEAR_BELOW + this.#printed);
      this.#printed = '';
    }
  }

  #endFrame(): void {
    if (this.#isBehind) {
      this.#pieces.length = this.#frameAt;
    } else {
      this.#output.write(this.#pieces.join(''));
      this.#pieces = [];
    }
  }

  /** Samples the job and gives every line its numbers. */
  #look(): void {
    const { stats } = this.#job;
    const { bytes, running, transfers } = this.#job.sample(MOST_SAMPLED);
    const ended = endedOf(stats);
    const total = totalOf(stats);
    this.#rates.add({ nowMs: performance.now(), bytes, files: ended });
    const { bytesPerS, filesPerS } = this.#rates;
    const left = (sum: number, { expected, received }: Transfer) =>
      sum + Math.max(expected - received, 0);
    const eta = etaMs({
      files: total === undefined ? undefined : total - ended,
      running,
      bytes: transfers.reduce(left, 0),
      filesPerS,
      bytesPerS,
    });
    this.#totals = { stats, bytes, bytesPerS, etaMs: eta };
    this.#total.setTotal(total ?? 0);
    this.#total.update(ended);
    this.#assign(transfers);
  }

  /** Lines are added when they are needed and stay, blank if need be: a screen that jumps cannot be read. */
  #assign(transfers: readonly Transfer[]): void {
    const shown = this.#slots.map((slot) => slot.transfer?.id);
    const picked = pickTransfers(transfers, shown, this.#mostBars);
    for (const [index, transfer] of picked.entries()) {
      let slot = this.#slots[index];
      if (slot === undefined) {
        if (transfer === undefined) continue;
        slot = this.#addSlot(index);
      }
      if (transfer !== undefined) {
        measure(slot, transfer);
      }
      slot.transfer = transfer;
      slot.bar.setTotal(Math.max(transfer?.expected ?? 0, 0));
      slot.bar.update(transfer?.received ?? 0);
    }
  }

  #addSlot(index: number): Slot {
    const line = (bar: string) => {
      const transfer = this.#slots[index]?.transfer;
      if (transfer === undefined) return '';
      return transferText(transfer, this.#slots[index]?.rates.bytesPerS ?? 0, bar, this.#width);
    };
    const slot: Slot = {
      bar: this.#addLine(index + 1, line),
      transfer: undefined,
      rates: new Rates(),
    };
    this.#slots.push(slot);
    return slot;
  }

  /** Ctrl-Z: after it the cursor is below what the shell has said, which stays; the bars begin anew there. */
  readonly #onSuspend = (): void => {
    process.off('SIGTSTP', this.#onSuspend);
    process.kill(process.pid, 'SIGTSTP');
    process.on('SIGTSTP', this.#onSuspend);
    this.#pieces.push('\n'.repeat(this.#drawn.length - 1));
  };

  readonly #onResize = (): void => {
    const { length } = this.#drawn;
    // Most terminals wrap what no longer fits, so the cursor has moved down by the rows that came into being.
    const rows = (columns: number) => Math.max(Math.ceil(columns / (this.#width + 1)), 1) - 1;
    const up = this.#drawn.reduce((sum, columns) => sum + rows(columns), length - 1);
    let down = length - 1;
    this.#isRemoving = true;
    while (this.#slots.length > this.#mostBars) {
      const slot = this.#slots.pop();
      this.#drawn.pop();
      if (slot) this.#multi.remove(slot.bar);
      // cli-progress believes that it has left the cursor one line below the last bar.
      down = this.#drawn.length;
    }
    this.#isRemoving = false;
    this.#pieces = [`${up > 0 ? `\u001b[${up}A` : ''}\r${CLEAR_BELOW}${'\n'.repeat(down)}`];
    this.#isResized = true;
    this.#multi.update();
  };
}

/** The speed counts from the first bytes seen: those of a continued file are there with its first answer. */
function measure(slot: Slot, { id, received, ageMs }: Transfer): void {
  const last = slot.transfer;
  if (last === undefined || last.id !== id || received < last.received || ageMs < last.ageMs) {
    slot.rates = new Rates();
  }
  if (received > 0) {
    slot.rates.add({ nowMs: ageMs, bytes: received, files: 0 });
  }
}
