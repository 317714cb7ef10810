/** `sims policy`: checks policy files, explains what they permit, and verifies audit logs. */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import {
  checkPolicyText,
  explainFlow,
  FLOW_KINDS,
  isFlowKind,
  parseLabel,
  verifyAudit,
  type AuditHead,
  type Label,
  type PolicyFile,
} from '../../src/ifc/index.ts';
import { SimsError } from '../../src/index.node.ts';
import { parsed, printable, UsageError } from './usage.ts';

const TEXT = { type: 'string' } as const;
const TEXTS = { type: 'string', multiple: true } as const;
const FLAG = { type: 'boolean' } as const;

/** Resolves to the exit code: 0 sound or permitted, 1 not. @throws UsageError */
export function runPolicy(parameters: readonly string[]): number {
  const [action, ...rest] = parameters;
  if (action === 'check') return check(rest);
  if (action === 'explain') return explain(rest);
  if (action === 'audit') {
    const [what, ...more] = rest;
    if (what !== 'verify') throw new UsageError('policy audit verify');
    return verify(more);
  }
  throw new UsageError('policy check, policy explain or policy audit verify');
}

function check(args: readonly string[]): number {
  const { values, positionals } = parsed({ args, options: { json: FLAG } });
  const file = onlyFile(positionals, 'policy check');
  const policy = policyIn(file, values.json ?? false);
  if (policy === undefined) return 1;
  const { levels, compartments } = policy.lattice;
  const models = policy.policy.models.map(({ model }) => model);
  if (values.json === true) print({ file, valid: true, levels, compartments, models });
  else {
    say(
      `${file} is sound: levels ${levels.join(' < ')}; ${compartments.length} compartments; ${models.join(' and ')}.`,
    );
  }
  return 0;
}

function explain(args: readonly string[]): number {
  const { values, positionals } = parsed({ args, options: { from: TEXT, to: TEXT, flow: TEXT, json: FLAG } });
  const file = onlyFile(positionals, 'policy explain');
  const { from, to, flow } = values;
  if (from === undefined || to === undefined || flow === undefined) {
    throw new UsageError('policy explain needs --from LABEL, --to LABEL and --flow KIND');
  }
  if (!isFlowKind(flow)) throw new UsageError(`--flow is one of ${FLOW_KINDS.join(', ')}, not ${printable(flow)}`);
  const policy = policyIn(file, values.json ?? false);
  if (policy === undefined) return 1;
  const question = { from: labelIn(policy, '--from', from), to: labelIn(policy, '--to', to), kind: flow };
  const { decision, sentences } = explainFlow(policy.policy, question);
  if (values.json === true) {
    const { permit, rule, kind, exemptions } = decision;
    print({ permit, rule, kind, from: decision.from.text, to: decision.to.text, exemptions, sentences });
  } else for (const sentence of sentences) say(sentence);
  return decision.permit ? 0 : 1;
}

function verify(args: readonly string[]): number {
  const { values, positionals } = parsed({ args, options: { head: TEXTS, json: FLAG } });
  const file = onlyFile(positionals, 'policy audit verify');
  const heads = (values.head ?? []).map(headOf);
  const sha256 = (bytes: Uint8Array): Uint8Array => nodeProvider.hash('SHA-256', bytes);
  const report = verifyAudit(linesOf(file), { sha256, heads });
  const { head, counts } = report.state;
  const told = head === undefined ? undefined : `${head.seq}:${head.hash}`;
  if (values.json === true) {
    const fault = report.ok ? {} : { fault: report.fault, line: report.line, sentence: report.sentence };
    print({ file, valid: report.ok, ...fault, ...counts, ...(told !== undefined && { head: told }) });
  } else if (report.ok) {
    say(`${file} holds: ${counts.entries} entries, ${counts.denied} denials, ${counts.exempted} exemptions.`);
    if (told !== undefined) say(`Head, to be kept elsewhere: ${told}`);
    if (heads.length === 0) say('Without --head a cut at the end cannot be seen.');
  } else say(`${file}:${report.line}: ${report.fault}: ${report.sentence}`);
  return report.ok ? 0 : 1;
}

/** The policy of a file; `undefined` when it is wrong, which is told with line and column. */
function policyIn(file: string, json: boolean): PolicyFile | undefined {
  const checked = checkPolicyText(new TextDecoder().decode(readOrRefuse(file)));
  if ('policy' in checked) return checked.policy;
  if (json) print({ file, valid: false, errors: checked.errors });
  else {
    for (const { line, column, path, message } of checked.errors) {
      say(`${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${message}`);
    }
  }
  return undefined;
}

function labelIn({ lattice }: PolicyFile, option: string, text: string): Label {
  try {
    return parseLabel(lattice, text);
  } catch (error) {
    if (error instanceof SimsError) throw new UsageError(`${option}: ${error.message}`, { cause: error });
    throw error;
  }
}

function headOf(text: string): AuditHead {
  const { seq, hash } = /^(?<seq>\d{1,15}):(?<hash>[\da-f]{64})$/u.exec(text)?.groups ?? {};
  if (seq === undefined || hash === undefined) throw new UsageError(`--head is NUMBER:HASH, not ${printable(text)}`);
  return { seq: Number(seq), hash };
}

const CHUNK_BYTES = 65_536;
/** Beyond it a line is no line of a log, and no more of it is held. */
const MAX_LINE_BYTES = 65_536;

/** Line by line, so that a log of any length takes little memory. */
function* linesOf(file: string): Generator<string> {
  const descriptor = openOrRefuse(file);
  try {
    const chunk = Buffer.alloc(CHUNK_BYTES);
    let rest: Buffer = Buffer.alloc(0);
    for (;;) {
      const count = readSync(descriptor, chunk, 0, CHUNK_BYTES, null);
      if (count === 0) break;
      rest = Buffer.concat([rest, chunk.subarray(0, count)]);
      let start = 0;
      for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a, start)) {
        yield rest.toString('utf8', start, end);
        start = end + 1;
      }
      rest = rest.subarray(start);
      if (rest.length > MAX_LINE_BYTES) break;
    }
    if (rest.length > 0) yield rest.toString('utf8');
  } finally {
    closeSync(descriptor);
  }
}

function onlyFile(positionals: readonly string[], what: string): string {
  const [file, ...more] = positionals;
  if (file === undefined) throw new UsageError(`${what} needs a file`);
  if (more.length > 0) throw new UsageError(`${what} takes one file, and then no ${printable(more[0]!)}`);
  return file;
}

function readOrRefuse(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new UsageError(`cannot read ${path}`, { cause: error });
  }
}

function openOrRefuse(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw new UsageError(`cannot read ${path}`, { cause: error });
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function print(value: object): void {
  say(JSON.stringify(value));
}
