/**
 * The profiles by name, as commands and configurations give them.
 *
 * @packageDocumentation
 */
import { ANY_CERTIFICATE, GENERIC_EID, RELAY_CERTIFICATE, type Profile } from './profile.ts';
import { CITIZEN_CARD_AUTHENTICATION } from './profileCitizenCard.ts';

/** Every profile that ships, the one for people in general first. */
export const PROFILES: readonly Profile[] = [
  GENERIC_EID,
  CITIZEN_CARD_AUTHENTICATION,
  RELAY_CERTIFICATE,
  ANY_CERTIFICATE,
];

/** The profile of this name; `undefined` if there is none. */
export function profileOf(name: string): Profile | undefined {
  return PROFILES.find((profile) => profile.name === name);
}
