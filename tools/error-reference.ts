/** docs/errors.md: every code with whose fault it is, what to do, and its meaning, from src/errors.ts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { ERRORS, type ErrorCode } from '../src/errors.ts';
import { ROOT } from './entries.ts';

const SOURCE = 'src/errors.ts';

/**
 * The page, whole.
 *
 * @throws when a code has no comment, which is its meaning
 */
export function errorReference(): string {
  const meanings = errorMeanings(readFileSync(join(ROOT, SOURCE), 'utf8'));
  const areas = new Map<string, string[]>();
  for (const code of (Object.keys(ERRORS) as ErrorCode[]).toSorted()) {
    const meaning = meanings.get(code) ?? '';
    if (meaning === '') throw new Error(`${SOURCE}: ${code} has no comment: its meaning, one sentence`);
    const area = code.slice(0, code.indexOf('/'));
    const [fault, action] = ERRORS[code].split(' ');
    const row = `| \`${code}\` | ${fault} | ${action} | ${meaning.replaceAll('|', '\\|')} |`;
    areas.set(area, [...(areas.get(area) ?? []), row]);
  }
  return [
    '# Error codes',
    '',
    `Generated from \`${SOURCE}\` by \`npm run docs\`; edit there.`,
    '',
    'Every failure is a `SimsError` with one of these codes. *Fault* is who can mend it: the `peer` sent bad data, the',
    '`caller` misused the interface, or something failed `local`ly. *Action* is what an application should do: `retry`,',
    'start a new conversation (`rekey`), `verify` who the peer is, or `give-up`. A released code is never renamed.',
    ...[...areas].flatMap(([area, rows]) => [
      '',
      `## ${area}`,
      '',
      '| code | fault | action | meaning |',
      '|---|---|---|---|',
      ...rows,
    ]),
    '',
  ].join('\n');
}

/** The comment of each property of `ERRORS`. */
function errorMeanings(text: string): Map<string, string> {
  const source = ts.createSourceFile(SOURCE, text, ts.ScriptTarget.Latest, true);
  const meanings = new Map<string, string>();
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAssignment(node) && ts.isStringLiteral(node.name)) {
      const comments = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc);
      const words = comments.map(({ comment }) => ts.getTextOfJSDocComment(comment) ?? '').join(' ');
      meanings.set(node.name.text, words.replaceAll(/\s+/g, ' ').trim());
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return meanings;
}
