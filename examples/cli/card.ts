/** `sims card`: the cards and tokens that are there. */
import { hex } from '../../src/bytes.ts';
import { findModule, listTokens, type TokenCertificate, type TokenDescription } from '../../src/cc/pkcs11/index.ts';
import { moduleOptions } from './signing.ts';
import { parsed, printable, UsageError } from './usage.ts';

const OPTIONS = { module: { type: 'string' }, token: { type: 'string' }, json: { type: 'boolean' } } as const;

/** Resolves to the exit code. @throws UsageError */
export async function runCard(parameters: readonly string[]): Promise<number> {
  const { values, positionals } = parsed({ args: parameters, options: OPTIONS });
  const [action, ...more] = positionals;
  if (more.length > 0) throw new UsageError(`card takes no ${printable(more[0]!)}`);
  if (action !== 'list' && action !== 'info') throw new UsageError('card list or card info');
  const options = moduleOptions(values.module);
  const { module, profile } = findModule(options);
  const tokens = (await listTokens(options)).filter(
    ({ token }) => values.token === undefined || token.label === values.token || token.serialNumber === values.token,
  );
  const isInfo = action === 'info';
  if (values.json === true) {
    const described = tokens.map((each) => (isInfo ? details(each) : summary(each)));
    process.stdout.write(`${JSON.stringify({ module, profile: profile.name, tokens: described })}\n`);
  } else {
    process.stdout.write(`module ${module} (${profile.name})\n`);
    for (const each of tokens) process.stdout.write(isInfo ? detailText(each) : summaryText(each));
    if (tokens.length === 0) process.stdout.write('no card\n');
  }
  return tokens.length > 0 ? 0 : 1;
}

/** Without anything of its holder's. */
function summary({ token, certificates, chosen }: TokenDescription): object {
  const { label, manufacturer, model, isPinLocked } = token;
  return { label, manufacturer, model, isPinLocked, certificates: certificates.length, usable: chosen !== undefined };
}

function summaryText({ token, certificates, chosen }: TokenDescription): string {
  const state = token.isPinLocked ? 'PIN locked' : chosen === undefined ? 'no certificate to log in with' : 'ready';
  return `${shown(token.label)}  ${shown(token.manufacturer)} ${shown(token.model)}  ${certificates.length} certificates  ${state}\n`;
}

function details(description: TokenDescription): object {
  const { token, certificates, chosen } = description;
  return {
    ...summary(description),
    serialNumber: token.serialNumber,
    isLoginRequired: token.isLoginRequired,
    hasPinPad: token.hasPinPad,
    isPinTriesLow: token.isPinTriesLow,
    certificates: certificates.map((each) => certificateFacts(each, each === chosen)),
  };
}

function certificateFacts({ label, id, certificate }: TokenCertificate, isChosen: boolean): object {
  const { commonName, keyKind, isCa } = certificate;
  return { label, id: hex(id), commonName, key: keyKind, isCa, isChosen };
}

function detailText(description: TokenDescription): string {
  const { token, certificates, chosen } = description;
  const lines = certificates.map((each) => {
    const { commonName = '', keyKind = 'unknown key' } = each.certificate;
    return `  ${each === chosen ? '*' : ' '} ${shown(each.label)}  ${keyKind}  ${shown(commonName)}\n`;
  });
  return `${summaryText(description)}  serial number ${shown(token.serialNumber)}\n${lines.join('')}`;
}

/** Labels are the card's word. */
function shown(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '');
}
