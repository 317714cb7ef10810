/**
 * Revocation of every certificate of a path: OCSP before lists, from the anchor down, so that who signs a list for a
 * certificate has been checked before.
 *
 * @packageDocumentation
 */
import { hex } from '../bytes.ts';
import type { Certificate } from './certificate.ts';
import type { PathRefusal } from './pathValidate.ts';
import type { RevocationContext, RevocationStatus } from './revocationContext.ts';
import { checkByCrl } from './revocationCrl.ts';
import { checkByOcsp } from './revocationOcsp.ts';

/**
 * How revocation is treated: `require` refuses what is revoked and what is not known, `soft` only what is revoked,
 * `none` asks nothing.
 */
export type RevocationMode = 'require' | 'soft' | 'none';

/** Checks paths, those of signers of lists included. */
export class RevocationChecker {
  readonly #context: RevocationContext;
  readonly #mode: RevocationMode;
  /** Certificates being checked: a list that needs itself to be trusted is not. */
  readonly #inProgress = new Set<string>();
  /** Whether some status was unknown and let pass. */
  hasUnknown = false;

  constructor(mode: RevocationMode, context: Omit<RevocationContext, 'checkPath'>) {
    this.#mode = mode;
    this.#context = { ...context, checkPath: (path) => this.check(path) };
  }

  /** The first refusal from the anchor down; `undefined` where the mode is satisfied. */
  async check(path: readonly Certificate[]): Promise<PathRefusal | undefined> {
    if (this.#mode === 'none') return undefined;
    for (let index = 1; index < path.length; index += 1) {
      const result = await this.#checkOne(path, index);
      if (result.status === 'revoked') return { reason: 'revoked', detail: result.detail, index };
      if (result.status === 'good') continue;
      if (this.#mode === 'require') return { reason: 'revocation-unknown', detail: result.detail, index };
      this.hasUnknown = true;
    }
    return undefined;
  }

  async #checkOne(path: readonly Certificate[], index: number): Promise<RevocationStatus> {
    const certificate = path[index]!;
    const key = `${certificate.issuer.key}\u0003${hex(certificate.serial)}`;
    if (this.#inProgress.has(key)) return { status: 'unknown', detail: 'its list is signed by itself' };
    this.#inProgress.add(key);
    try {
      const byOcsp = await checkByOcsp(this.#context, path, index);
      if (byOcsp.status !== 'unknown') return byOcsp;
      const byCrl = await checkByCrl(this.#context, path, index);
      if (byCrl.status !== 'unknown') return byCrl;
      return { status: 'unknown', detail: `OCSP: ${byOcsp.detail}. CRL: ${byCrl.detail}` };
    } finally {
      this.#inProgress.delete(key);
    }
  }
}
