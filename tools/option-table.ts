/** The options of an interface as a table, from its doc comments. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { ROOT } from './entries.ts';

/** `FOLDER INTERFACE`: a row for each member of that interface, with what its comment says. */
export function optionTable(argument: string): string {
  const [folder = '', name = ''] = argument.split(' ');
  const found = globSync('*.ts', { cwd: join(ROOT, folder) }).flatMap((file) =>
    interfaceIn(join(ROOT, folder, file), name),
  );
  const [declaration] = found;
  if (declaration === undefined || found.length > 1)
    throw new Error(`${folder} has ${found.length} interfaces ${name}`);
  return ['| option | type | meaning |', '|---|---|---|', ...declaration.members.map(row)].join('\n');
}

function interfaceIn(path: string, name: string): readonly ts.InterfaceDeclaration[] {
  const text = readFileSync(path, 'utf8');
  if (!text.includes(`interface ${name}`)) return [];
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  return source.statements.filter(ts.isInterfaceDeclaration).filter((each) => each.name.text === name);
}

function row(member: ts.TypeElement): string {
  const type = ts.isPropertySignature(member) ? (member.type?.getText() ?? '') : 'function';
  const name = `${member.name?.getText() ?? ''}${member.questionToken === undefined ? '' : '?'}`;
  return `| \`${name}\` | \`${cell(type)}\` | ${meaning(member)} |`;
}

function meaning(member: ts.Node): string {
  const comments = ts.getJSDocCommentsAndTags(member).filter(ts.isJSDoc);
  const texts = comments.map(({ comment }) => ts.getTextOfJSDocComment(comment) ?? '');
  return cell(texts.join(' ').replaceAll(/\{@link ([^}]+)\}/g, '`$1`'));
}

function cell(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|').trim();
}
