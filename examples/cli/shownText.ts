/** Text of others, made fit for a terminal. */
import { stripVTControlCharacters } from 'node:util';

const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const WIDE =
  /^[\p{Emoji_Presentation}\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u;
const ZERO = /^[\p{Mn}\p{Me}\p{Cf}]/u;

/** One line of text without control characters, escapes, and marks that turn its direction. */
export function cleanLine(text: string): string {
  return stripVTControlCharacters(text).replaceAll('\t', ' ').replace(UNSAFE, '');
}

/** Text of several lines, each cleaned; those after the first are indented, so that none looks like somebody's own. */
export function cleanText(text: string): string {
  const [first = '', ...rest] = text.split(/\r\n|[\n\r\u2028\u2029]/u).map(cleanLine);
  return [first, ...rest.map((line) => `    ${line}`)].join('\n');
}

/** Columns that a line without escapes takes. */
export function widthOf(line: string): number {
  let width = 0;
  for (const character of line) width += widthOfCharacter(character);
  return width;
}

/** Rows of at most that many columns. */
export function rowsOf(text: string, columns: number): readonly string[] {
  const rows: string[] = [];
  for (const line of text.split('\n')) {
    let row = '';
    let width = 0;
    for (const character of line) {
      const wide = widthOfCharacter(character);
      if (width + wide > columns) {
        rows.push(row);
        row = '';
        width = 0;
      }
      row += character;
      width += wide;
    }
    rows.push(row);
  }
  return rows;
}

function widthOfCharacter(character: string): number {
  if (ZERO.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}
