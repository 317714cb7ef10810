/** The options of an interface as a table, from its doc comments. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { ROOT } from './entries.ts';

/** `FILE INTERFACE`: a row for each member of that interface, with what its comment says. */
export function optionTable(argument: string): string {
  const [path = '', name = ''] = argument.split(' ');
  const text = readFileSync(join(ROOT, path), 'utf8');
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const found = source.statements.filter(ts.isInterfaceDeclaration).find((each) => each.name.text === name);
  if (found === undefined) throw new Error(`${path} has no interface ${name}`);
  const rows = found.members.map((member) => {
    const type = ts.isPropertySignature(member) ? (member.type?.getText(source) ?? '') : 'function';
    const isOptional = member.questionToken !== undefined;
    return `| \`${member.name?.getText(source) ?? ''}${isOptional ? '?' : ''}\` | \`${cell(type)}\` | ${meaning(member)} |`;
  });
  return ['| option | type | meaning |', '|---|---|---|', ...rows].join('\n');
}

function meaning(member: ts.Node): string {
  const comments = ts.getJSDocCommentsAndTags(member).filter(ts.isJSDoc);
  const texts = comments.map(({ comment }) => ts.getTextOfJSDocComment(comment) ?? '');
  return cell(texts.join(' ').replaceAll(/\{@link ([^}]+)\}/g, '`$1`'));
}

function cell(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|').trim();
}
