/**
 * What a user's own Signer has to do, as checks without a test framework.
 *
 * @packageDocumentation
 */
import type { SimsError } from '../errors.ts';
import type { Signer, SigningAlgorithm } from '../cc/signer.ts';
import { algorithmsOf, readSignerCertificate } from '../cc/signerCertificate.ts';
import { isSignatureOf } from '../cc/signerKey.ts';

/** One requirement. */
export interface SignerCheck {
  /** A fact, fit for `it`. */
  readonly name: string;
  /** Throws an Error that says what was wrong. */
  run(signer: Signer): Promise<void>;
}

/**
 * Requirements of every {@link Signer}, to be run one after the other on one signer; each may ask for a PIN. With a
 * test framework: `for (const check of signerChecks) it(check.name, () => check.run(signer))`. None closes the signer.
 */
export const signerChecks: readonly SignerCheck[] = [
  { name: 'has a readable certificate as its first', run: checkLeaf },
  { name: 'names algorithms that fit its certificate, each once', run: checkAlgorithms },
  { name: 'signs with the first of its algorithms unless told otherwise', run: checkDefault },
  { name: 'signs empty, short and long input with every algorithm it names', run: checkEveryAlgorithm },
  { name: 'leaves the bytes to be signed as they were', run: checkInputKept },
  { name: 'refuses an algorithm that it does not name', run: checkForeignAlgorithm },
  { name: 'does not sign when cancelled before', run: checkCancelledBefore },
  { name: 'makes two signatures asked for at once', run: checkTwoAtOnce },
];

/** Runs {@link signerChecks}. @throws Error that names the requirement not met, with the cause */
export async function testSigner(signer: Signer): Promise<void> {
  for (const check of signerChecks) {
    try {
      await check.run(signer);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`not met: a signer ${check.name}; ${reason}`, { cause });
    }
  }
}

const EVERY_ALGORITHM: readonly SigningAlgorithm[] = ['ES256', 'ES384', 'ES512', 'PS256', 'RS256', 'EdDSA'];

function leafOf(signer: Signer): { spki: Uint8Array; algorithms: readonly SigningAlgorithm[] } {
  const [first] = signer.chain;
  const leaf = first === undefined ? undefined : readSignerCertificate(first);
  if (leaf === undefined) throw new Error('the chain does not begin with a DER certificate');
  if (leaf.keyKind === undefined) throw new Error('the certificate has a key of a kind that no algorithm here uses');
  return { spki: leaf.spki, algorithms: algorithmsOf(leaf.keyKind) };
}

function checkLeaf(signer: Signer): Promise<void> {
  leafOf(signer);
  for (const [index, der] of signer.chain.entries()) {
    if (readSignerCertificate(der) === undefined)
      throw new Error(`element ${index} of the chain is no DER certificate`);
  }
  return Promise.resolve();
}

function checkAlgorithms(signer: Signer): Promise<void> {
  const { algorithms } = leafOf(signer);
  if (signer.algorithms.length === 0) throw new Error('there is no algorithm');
  if (new Set(signer.algorithms).size !== signer.algorithms.length) throw new Error('an algorithm is named twice');
  const stranger = signer.algorithms.find((algorithm) => !algorithms.includes(algorithm));
  if (stranger !== undefined) throw new Error(`${stranger} does not fit the key of the certificate`);
  return Promise.resolve();
}

async function checkDefault(signer: Signer): Promise<void> {
  const { algorithm } = await signAndVerify(signer, Uint8Array.of(1, 2, 3), undefined);
  if (algorithm !== signer.algorithms[0])
    throw new Error(`${algorithm} was used, ${signer.algorithms[0]} is the first`);
}

async function checkEveryAlgorithm(signer: Signer): Promise<void> {
  for (const algorithm of signer.algorithms) {
    for (const length of [0, 1, 100_000]) {
      const made = await signAndVerify(signer, new Uint8Array(length).fill(0xa5), algorithm);
      if (made.algorithm !== algorithm) throw new Error(`${made.algorithm} was used, ${algorithm} was asked for`);
    }
  }
}

async function checkInputKept(signer: Signer): Promise<void> {
  const surrounding = Uint8Array.from({ length: 96 }, (_, index) => index);
  await signAndVerify(signer, surrounding.subarray(32, 64), undefined);
  if (surrounding.some((byte, index) => byte !== index)) throw new Error('the input was changed');
}

async function checkForeignAlgorithm(signer: Signer): Promise<void> {
  const foreign = EVERY_ALGORITHM.find((algorithm) => !signer.algorithms.includes(algorithm))!;
  await expectCode('card/mechanism', signer.sign(Uint8Array.of(1), { algorithm: foreign }));
}

async function checkCancelledBefore(signer: Signer): Promise<void> {
  await expectCode('card/cancelled', signer.sign(Uint8Array.of(1), { signal: AbortSignal.abort() }));
  const timedOut = AbortSignal.abort(new DOMException('late', 'TimeoutError'));
  await expectCode('card/timeout', signer.sign(Uint8Array.of(1), { signal: timedOut }));
}

async function checkTwoAtOnce(signer: Signer): Promise<void> {
  await Promise.all([
    signAndVerify(signer, Uint8Array.of(1), undefined),
    signAndVerify(signer, Uint8Array.of(2), undefined),
  ]);
}

async function signAndVerify(
  signer: Signer,
  toBeSigned: Uint8Array,
  asked: SigningAlgorithm | undefined,
): Promise<{ algorithm: SigningAlgorithm }> {
  const kept = toBeSigned.slice();
  const { algorithm, signature } = await signer.sign(toBeSigned, asked === undefined ? {} : { algorithm: asked });
  if (!(await isSignatureOf(leafOf(signer).spki, algorithm, kept, signature))) {
    throw new Error(`a signature of ${signature.length} bytes by ${algorithm} over ${kept.length} does not verify`);
  }
  return { algorithm };
}

async function expectCode(code: string, work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    // By its code, not its class: a bundle may hold a second copy of the class.
    if (error instanceof Error && (error as Partial<SimsError>).code === code) return;
    throw new Error(`${code} was expected, not ${String(error)}`, { cause: error });
  }
  throw new Error(`${code} was expected, but it signed`);
}
