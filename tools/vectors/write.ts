/** JSON as the repository's formatter leaves it: objects a field a line, short lists of plain values on one line. */
import type { Json } from './shared.ts';

const WIDTH = 120;

/** The text of a vector file. */
export function writeJson(value: Json): string {
  return `${write(value, '', 0)}\n`;
}

/** `before` is how many columns of the first line are taken, beyond the indentation. */
function write(value: Json, indent: string, before: number): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const deeper = `${indent}  `;
  if (isList(value)) {
    if (value.length === 0) return '[]';
    const plain = value.every((element) => element === null || typeof element !== 'object');
    const line = plain ? `[${value.map((element) => JSON.stringify(element)).join(', ')}]` : '';
    if (plain && indent.length + before + line.length < WIDTH) return line;
    return `[\n${value.map((element) => deeper + write(element, deeper, 0)).join(',\n')}\n${indent}]`;
  }
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  if (fields.length === 0) return '{}';
  const lines = fields.map(([name, field]) => {
    const start = `${JSON.stringify(name)}: `;
    return deeper + start + write(field!, deeper, start.length);
  });
  return `{\n${lines.join(',\n')}\n${indent}}`;
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
