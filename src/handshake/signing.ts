/**
 * What is signed: every signature names its purpose, so that none passes for another (docs/protocol.md §1.2).
 *
 * @packageDocumentation
 */
import { concat, utf8 } from '../bytes.ts';

/** The closed list of purposes. */
export type SigningPurpose = 'delegation' | 'bundle' | 'phase 2' | 'phase 3' | 'renewal';

/** The bytes to be signed: "SIMS 1 " ‖ purpose ‖ 0 ‖ content. */
export function signedContent(purpose: SigningPurpose, content: Uint8Array): Uint8Array {
  return concat(utf8(`SIMS 1 ${purpose}\0`), content);
}
