/** What `npm start` prints. */
import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

const { stdout } = process;
/** Lines can be drawn anew, and have colours. */
const isTerminal = stdout.isTTY && (process.env['NO_COLOR'] ?? '') === '';
/** Rows printed so far. */
let rows = 0;

/** Prints one line or more, in a style where there is a terminal. */
export function line(text: string, style?: Style): void {
  stdout.write(`${styled(text, style)}\n`);
  rows += text.split('\n').length;
}

/** A message on its way: red and then green, in its line of a terminal; a line for each state elsewhere. */
export class MessageLine {
  readonly #who: string;
  #row: number | undefined;

  constructor(who: string) {
    this.#who = who;
  }

  show(text: string, state: string): void {
    const marks: Readonly<Record<string, string>> = { pending: '…', accepted: '✓', delivered: '✓✓' };
    const shown = `  ${this.#who}  ${text}  ${marks[state] ?? '!'} ${state}`;
    const style = state === 'delivered' ? 'green' : 'red';
    if (!isTerminal || this.#row === undefined) {
      this.#row = rows;
      line(shown, style);
      return;
    }
    const distance = rows - this.#row;
    stdout.write(`\u001b[${distance}A\r${styled(shown, style)}\u001b[K\u001b[${distance}B\r`);
  }
}

function styled(text: string, style: Style | undefined): string {
  return style === undefined || !isTerminal ? text : styleText(style, text, { validateStream: false });
}
