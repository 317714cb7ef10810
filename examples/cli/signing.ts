/** Who signs for the person in a chat: `--card` or `--p12`. */
import { readFile } from 'node:fs/promises';
import { openPkcs12, type PinRequest, type Signer } from '../../src/cc/index.ts';
import { openCard, type CardModuleOptions } from '../../src/cc/pkcs11/index.ts';
import { askSecret } from './secret.ts';
import { UsageError } from './usage.ts';

/** Which signer. */
export type SigningOptions =
  | { readonly kind: 'card'; readonly module: string | undefined; readonly token: string | undefined }
  | { readonly kind: 'p12'; readonly file: string };

/** For `parseArgs`. */
export const SIGNING_OPTIONS = {
  card: { type: 'boolean' },
  module: { type: 'string' },
  token: { type: 'string' },
  p12: { type: 'string' },
} as const;

/** Those options as `parseArgs` gives them. */
export interface SigningValues {
  readonly card?: boolean | undefined;
  readonly module?: string | undefined;
  readonly token?: string | undefined;
  readonly p12?: string | undefined;
}

/** `undefined` where neither is asked for. @throws UsageError */
export function signingOptions({ card, module, token, p12 }: SigningValues): SigningOptions | undefined {
  if (card === true && p12 !== undefined) throw new UsageError('either --card or --p12');
  if (card !== true && (module ?? token) !== undefined) throw new UsageError('--module and --token go with --card');
  if (card === true) return { kind: 'card', module, token };
  return p12 === undefined ? undefined : { kind: 'p12', file: p12 };
}

/** What is passed to the card's module. */
export function moduleOptions(module: string | undefined): CardModuleOptions {
  return module === undefined ? {} : { module };
}

/** Opens card or file. PIN and password are asked for, or taken from SIMS_PIN and SIMS_P12_PASSWORD. */
export async function openSigner(options: SigningOptions, signal: AbortSignal): Promise<Signer> {
  if (options.kind === 'p12') {
    const file = new Uint8Array(await readFile(options.file));
    const password = process.env['SIMS_P12_PASSWORD'] ?? (await askSecret(`Password of ${options.file}`, signal));
    return await openPkcs12(file, { password: password ?? '' });
  }
  const { module, token } = options;
  return await openCard({
    ...moduleOptions(module),
    ...(token === undefined ? {} : { token }),
    pin: askPin,
    can: ({ tokenLabel, signal: asked }) => askSecret(`Access number (CAN) printed on ${tokenLabel}`, asked),
    signal,
  });
}

/** A PIN from the environment is given once: a wrong one given again would lock the card. */
function askPin({
  tokenLabel,
  triesLeft,
  isTriesLow,
  retry,
  signal,
}: PinRequest): Promise<string | undefined> | string {
  const { SIMS_PIN } = process.env;
  if (SIMS_PIN !== undefined && !retry) return SIMS_PIN;
  const left = triesLeft === undefined ? (isTriesLow ? ', few tries left' : '') : `, ${triesLeft} tries left`;
  return askSecret(`${retry ? 'Wrong PIN. ' : ''}PIN of ${tokenLabel}${left}`, signal);
}
