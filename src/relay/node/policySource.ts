/** Where a relay's policy comes from, read again when asked. */
import { readFile } from 'node:fs/promises';
import { hex } from '../../bytes.ts';
import { nodeProvider } from '../../crypto/node/index.ts';
import { SimsError } from '../../errors.ts';
import { loadPolicy, type PolicyFile } from '../../ifc/index.ts';

/** A policy, and what the audit log says of it. */
export interface NamedPolicy {
  readonly policy: PolicyFile;
  /** `sha256:` of the file's bytes. */
  readonly note: string;
}

/**
 * The policy in a file.
 *
 * @throws `ifc/policy-invalid` with line and column of each fault; `relay/invalid-option` for a file that cannot be read
 */
export async function readPolicy(path: string): Promise<NamedPolicy> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new SimsError('relay/invalid-option', `the policy ${path} cannot be read`, { cause: error });
  }
  const policy = loadPolicy(new TextDecoder().decode(bytes));
  return { policy, note: `sha256:${hex(nodeProvider.hash('SHA-256', bytes))}` };
}
