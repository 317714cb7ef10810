/** Small decisions about what the relay says. */
import { utf8 } from '../bytes.ts';
import type { SimsError } from '../errors.ts';
import type { ErrorReason } from '../messages/reason.ts';
import { MAX_NAME_BYTES } from '../messages/schema.ts';

/** What to answer to bytes that are no message. */
export function reasonOf(error: SimsError): ErrorReason {
  if (error.code === 'messages/unknown-type') return 'unknown-type';
  return error.code.endsWith('/length-over-limit') || error.code.endsWith('/field-over-limit')
    ? 'too-large'
    : 'malformed';
}

/** As much of a name as a list may hold. A certificate's can be longer. */
export function cutName(name: string): string {
  if (utf8(name).length <= MAX_NAME_BYTES) return name;
  let kept = '';
  for (const character of name) {
    if (utf8(kept + character).length > MAX_NAME_BYTES) break;
    kept += character;
  }
  return kept;
}
