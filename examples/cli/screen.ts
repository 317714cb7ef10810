/** A log above, a prompt below, and lines of the log that can still change. */
import { clearScreenDown, createInterface, cursorTo, moveCursor, type Interface } from 'node:readline';
import { styleText } from 'node:util';
import { rowsOf, widthOf } from './shownText.ts';

type Style = Parameters<typeof styleText>[0];

/** A line of the log. */
export interface Entry {
  /** The row of the log where it begins, counted from the first that was ever printed. */
  readonly firstRow: number;
  readonly rowCount: number;
}

export interface ScreenOptions {
  readonly input: NodeJS.ReadStream;
  readonly output: NodeJS.WriteStream;
  readonly line: (text: string) => void;
  /** Ctrl-C, Ctrl-D, or the terminal is gone. */
  readonly ended: () => void;
}

const SAVE = '\u001b7';
const RESTORE = '\u001b8';

/** The terminal. Everything that is shown goes through it. */
export class Screen {
  /** Whether the terminal shows colours: not under NO_COLOR. */
  readonly hasColour: boolean = (process.env['NO_COLOR'] ?? '') === '';
  readonly #output: NodeJS.WriteStream;
  readonly #readline: Interface;
  /** Rows printed so far, above the prompt. */
  #rowCount = 0;
  /** What is above this was moved by a change of the window's size: it stays as it is. */
  #firstFixedRow = 0;
  #isClosed = false;

  constructor({ input, output, line, ended }: ScreenOptions) {
    this.#output = output;
    this.#readline = createInterface({ input, output, terminal: true, historySize: 100 });
    this.#readline.on('line', (text) => {
      this.#eraseTyped(text);
      line(text);
      if (!this.#isClosed) this.#readline.prompt();
    });
    this.#readline.on('SIGINT', ended);
    this.#readline.on('close', ended);
    output.on('resize', () => {
      this.#firstFixedRow = this.#rowCount;
    });
  }

  /** Appends to the log. */
  print(text: string, style?: Style): Entry {
    const rows = rowsOf(text, this.#columns());
    const entry = { firstRow: this.#rowCount, rowCount: rows.length };
    const shown = this.#styled(rows, style);
    this.#rowCount += rows.length;
    if (this.#isClosed) {
      this.#output.write(`${shown.join('\n')}\n`);
      return entry;
    }
    const { rows: typedRows } = this.#readline.getCursorPos();
    moveCursor(this.#output, 0, -typedRows);
    cursorTo(this.#output, 0);
    clearScreenDown(this.#output);
    // What is typed is drawn anew, from as many rows above the cursor as it had.
    this.#output.write(`${shown.join('\n')}\n${'\n'.repeat(typedRows)}`);
    this.#readline.prompt(true);
    return entry;
  }

  /** Draws a line of the log anew, with a text of the same length; whether it is still on the screen. */
  update(entry: Entry, text: string, style?: Style): boolean {
    const typedRows = this.#isClosed ? 0 : this.#readline.getCursorPos().rows;
    const distance = this.#rowCount - entry.firstRow + typedRows;
    const rows = rowsOf(text, this.#columns());
    const isThere = distance < this.#output.rows && entry.firstRow >= this.#firstFixedRow;
    if (!isThere || rows.length !== entry.rowCount) return false;
    const up = `\u001b[${distance}A\r`;
    this.#output.write(`${SAVE}${up}${this.#styled(rows, style).join('\u001b[K\r\n')}\u001b[K${RESTORE}`);
    return true;
  }

  set prompt(text: string) {
    this.#readline.setPrompt(text);
    if (!this.#isClosed) this.#readline.prompt(true);
  }

  /** Ends the prompt; the log goes on. */
  close(): void {
    if (this.#isClosed) return;
    cursorTo(this.#output, 0);
    clearScreenDown(this.#output);
    this.#isClosed = true;
    this.#readline.close();
  }

  /** Takes away what was typed, which readline leaves where it is. */
  #eraseTyped(text: string): void {
    const width = widthOf(this.#readline.getPrompt()) + widthOf(text);
    const rowCount = Math.floor(width / this.#output.columns) + 1;
    moveCursor(this.#output, 0, -rowCount);
    cursorTo(this.#output, 0);
    clearScreenDown(this.#output);
  }

  #styled(rows: readonly string[], style: Style | undefined): readonly string[] {
    if (style === undefined || !this.hasColour) return rows;
    // Decided here, by the terminal that is written to.
    return rows.map((row) => styleText(style, row, { validateStream: false }));
  }

  #columns(): number {
    // One less: what a terminal does in its last column differs.
    return Math.max(this.#output.columns - 1, 10);
  }
}
