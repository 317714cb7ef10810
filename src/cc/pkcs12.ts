/**
 * A signer from a PKCS #12 file (RFC 7292): one key, its certificate and what chain the file holds.
 *
 * @packageDocumentation
 */
import { equal, wipe } from '../bytes.ts';
import { SimsError } from '../errors.ts';
import { context, contextConstructed, type DerReader, enterWhole, TAG } from './certificateDer.ts';
import { derFromBer } from './pkcs12Ber.ts';
import { checkMac, decrypt } from './pkcs12Crypto.ts';
import type { Signer, SigningAlgorithm } from './signer.ts';
import {
  algorithmsOf,
  chainFrom,
  isForAuthentication,
  readSignerCertificate,
  type SignerCertificate,
} from './signerCertificate.ts';
import { isSignatureOf, webCryptoParameters } from './signerKey.ts';
import { signerFrom, signWith } from './webCryptoSigner.ts';

const MAXIMUM_FILE_LENGTH = 4 * 1024 * 1024;
const MAXIMUM_BAGS = 200;

const DATA = '1.2.840.113549.1.7.1';
const ENCRYPTED_DATA = '1.2.840.113549.1.7.6';
const BAGS = '1.2.840.113549.1.12.10.1.';
const X509_CERTIFICATE = '1.2.840.113549.1.9.22.1';
const LOCAL_KEY_ID = '1.2.840.113549.1.9.21';

/** How a PKCS #12 file is opened. */
export interface Pkcs12Options {
  readonly password: string;
}

/**
 * Signer from a PKCS #12 file of at most 4 MiB. Where it holds several keys, one whose certificate is for
 * authentication (digitalSignature, not nonRepudiation, not a CA) comes before the others.
 *
 * @throws `cc/pkcs12-password`, `cc/pkcs12-legacy` (RC2, RC4, DES), `cc/pkcs12-unsupported`, `cc/pkcs12-malformed`,
 * `cc/pkcs12-no-key`
 */
export async function openPkcs12(file: Uint8Array, options: Pkcs12Options): Promise<Signer> {
  const bags = await readBags(file, options.password);
  try {
    const pairs: Pair[] = [];
    for (const key of bags.keys) {
      const pair = await pairOf(key, bags.certificates);
      if (pair !== undefined) pairs.push(pair);
    }
    const chosen = pairs.find((pair) => isForAuthentication(pair.leaf.certificate)) ?? pairs[0];
    if (chosen === undefined) {
      throw new SimsError(
        'cc/pkcs12-no-key',
        `no usable key with its certificate among ${bags.keys.length} keys and ${bags.certificates.length} certificates`,
      );
    }
    const all = bags.certificates.map(({ certificate }) => certificate);
    const chain = chainFrom(chosen.leaf.certificate, all).map(({ der }) => der);
    return signerFrom(chain, [...chosen.keys.keys()], (algorithm, toBeSigned) =>
      signWith(chosen.keys.get(algorithm)!, algorithm, toBeSigned),
    );
  } finally {
    for (const { pkcs8 } of bags.keys) wipe(pkcs8);
  }
}

interface KeyBag {
  readonly pkcs8: Uint8Array;
  readonly localKeyId: Uint8Array | undefined;
}

interface CertificateBag {
  readonly certificate: SignerCertificate;
  readonly localKeyId: Uint8Array | undefined;
}

interface Bags {
  readonly keys: KeyBag[];
  readonly certificates: CertificateBag[];
}

interface Pair {
  readonly leaf: CertificateBag;
  readonly keys: ReadonlyMap<SigningAlgorithm, CryptoKey>;
}

async function readBags(file: Uint8Array, password: string): Promise<Bags> {
  if (file.length > MAXIMUM_FILE_LENGTH) {
    throw new SimsError('cc/pkcs12-malformed', `${file.length} bytes are above the limit of ${MAXIMUM_FILE_LENGTH}`);
  }
  const bags: Bags = { keys: [], certificates: [] };
  try {
    const pfx = enterWhole(derFromBer(file), TAG.sequence);
    const version = pfx.natural();
    if (version !== 3) throw new SimsError('cc/pkcs12-unsupported', `version ${version} of PKCS #12`);
    const authenticatedSafe = dataOf(pfx.enter(TAG.sequence));
    const macData = pfx.enterOptional(TAG.sequence);
    pfx.finish();
    if (macData !== undefined) await checkMac(macData, authenticatedSafe, password);
    const contents = enterWhole(derFromBer(authenticatedSafe), TAG.sequence);
    while (!contents.done) await readContentInfo(contents.enter(TAG.sequence), password, bags);
  } catch (cause) {
    if (!(cause instanceof SimsError) || cause.code !== 'cc/malformed') throw cause;
    throw new SimsError('cc/pkcs12-malformed', `not a PKCS #12 file: ${cause.message}`, { cause });
  }
  return bags;
}

function dataOf(contentInfo: DerReader): Uint8Array {
  const type = contentInfo.objectIdentifier();
  if (type !== DATA) throw new SimsError('cc/pkcs12-unsupported', `content of type ${type}`);
  return contentInfo.enter(contextConstructed(0)).take(TAG.octetString);
}

async function readContentInfo(contentInfo: DerReader, password: string, bags: Bags): Promise<void> {
  const type = contentInfo.objectIdentifier();
  const wrapper = contentInfo.enter(contextConstructed(0));
  if (type === DATA) return readSafeContents(wrapper.take(TAG.octetString), password, bags, 0);
  if (type !== ENCRYPTED_DATA) throw new SimsError('cc/pkcs12-unsupported', `content of type ${type}`);
  const encryptedData = wrapper.enter(TAG.sequence);
  encryptedData.natural();
  const content = encryptedData.enter(TAG.sequence);
  content.objectIdentifier();
  const algorithm = content.enter(TAG.sequence);
  const opened = await decrypt(algorithm, implicitOctets(content), password);
  try {
    await readSafeContents(opened, password, bags, 0);
  } finally {
    wipe(opened);
  }
}

/** `[0] IMPLICIT OCTET STRING`, which BER may cut in pieces. */
function implicitOctets(content: DerReader): Uint8Array {
  const whole = content.takeOptional(context(0));
  if (whole !== undefined) return whole;
  const pieces = content.enter(contextConstructed(0));
  const octets: Uint8Array[] = [];
  let length = 0;
  while (!pieces.done) {
    const piece = pieces.take(TAG.octetString);
    octets.push(piece);
    length += piece.length;
  }
  const joined = new Uint8Array(length);
  let at = 0;
  for (const piece of octets) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
}

async function readSafeContents(ber: Uint8Array, password: string, bags: Bags, depth: number): Promise<void> {
  if (depth > 4) throw new SimsError('cc/pkcs12-malformed', 'safe contents are nested deeper than 4');
  const list = enterWhole(derFromBer(ber), TAG.sequence);
  while (!list.done) {
    if (bags.keys.length + bags.certificates.length >= MAXIMUM_BAGS) {
      throw new SimsError('cc/pkcs12-malformed', `more than ${MAXIMUM_BAGS} keys and certificates`);
    }
    const bag = list.enter(TAG.sequence);
    const type = bag.objectIdentifier();
    const value = bag.enter(contextConstructed(0));
    const localKeyId = bag.done ? undefined : readLocalKeyId(bag.enter(TAG.set));
    if (type === `${BAGS}1`) {
      bags.keys.push({ pkcs8: value.raw(TAG.sequence).slice(), localKeyId });
    } else if (type === `${BAGS}2`) {
      const shrouded = value.enter(TAG.sequence);
      const algorithm = shrouded.enter(TAG.sequence);
      bags.keys.push({ pkcs8: await decrypt(algorithm, shrouded.take(TAG.octetString), password), localKeyId });
    } else if (type === `${BAGS}3`) {
      const certificate = readCertificateBag(value.enter(TAG.sequence));
      if (certificate !== undefined) bags.certificates.push({ certificate, localKeyId });
    } else if (type === `${BAGS}6`) {
      await readSafeContents(value.raw(TAG.sequence), password, bags, depth + 1);
    }
  }
}

function readCertificateBag(bag: DerReader): SignerCertificate | undefined {
  if (bag.objectIdentifier() !== X509_CERTIFICATE) return undefined;
  return readSignerCertificate(bag.enter(contextConstructed(0)).take(TAG.octetString));
}

function readLocalKeyId(attributes: DerReader): Uint8Array | undefined {
  while (!attributes.done) {
    const attribute = attributes.enter(TAG.sequence);
    if (attribute.objectIdentifier() !== LOCAL_KEY_ID) continue;
    return attribute.enter(TAG.set).take(TAG.octetString).slice();
  }
  return undefined;
}

async function pairOf(key: KeyBag, certificates: readonly CertificateBag[]): Promise<Pair | undefined> {
  const isNamed = ({ localKeyId }: CertificateBag): boolean =>
    key.localKeyId !== undefined && localKeyId !== undefined && equal(key.localKeyId, localKeyId);
  // Attributes are a hint; what proves the pair is a signature.
  const ordered = [
    ...certificates.filter(isNamed),
    ...certificates.filter((bag) => !isNamed(bag) && !bag.certificate.isCa),
  ];
  for (const leaf of ordered) {
    const { keyKind, spki } = leaf.certificate;
    if (keyKind === undefined) continue;
    const keys = await importKeys(key.pkcs8, algorithmsOf(keyKind));
    const [first] = keys;
    if (first === undefined) continue;
    const probe = crypto.getRandomValues(new Uint8Array(32));
    const signature = await signWith(first[1], first[0], probe);
    if (await isSignatureOf(spki, first[0], probe, signature)) return { leaf, keys };
  }
  return undefined;
}

async function importKeys(
  pkcs8: Uint8Array,
  algorithms: readonly SigningAlgorithm[],
): Promise<ReadonlyMap<SigningAlgorithm, CryptoKey>> {
  const keys = new Map<SigningAlgorithm, CryptoKey>();
  const copy = pkcs8.slice();
  for (const algorithm of algorithms) {
    try {
      const parameters = { ...webCryptoParameters(algorithm).key };
      keys.set(algorithm, await crypto.subtle.importKey('pkcs8', copy, parameters, false, ['sign']));
    } catch {
      // The key is of another kind than the certificate that was tried.
    }
  }
  wipe(copy);
  return keys;
}
