/**
 * What return values mean to a person.
 *
 * @packageDocumentation
 */
import { SimsError, type ErrorCode } from '../../errors.ts';
import { returnValueName, type Answer } from './cryptoki.ts';
import type { CardProfile } from './profiles.ts';

/** The value. @throws the error that the return value stands for */
export function valueOf<Value>(answer: Answer<Value>, profile: CardProfile): Value {
  if (answer.ok) return answer.value;
  throw meaningOf(answer, profile);
}

/** The error that a return value stands for. PIN_LOCKED is taken at its word here: see `card.ts`. */
export function meaningOf(answer: Answer<unknown> & { ok: false }, profile: CardProfile): SimsError {
  const code = profile.meanings[answer.returnValue] ?? MEANINGS[answer.returnValue] ?? 'card/device';
  return new SimsError(
    code,
    `${SENTENCES[code] ?? 'the card or its module failed'}: ${answer.during} answered ${returnValueName(answer.returnValue)}`,
  );
}

const MEANINGS: Readonly<Record<number, ErrorCode>> = {
  0x01: 'card/cancelled',
  0x32: 'card/removed',
  0x50: 'card/cancelled',
  0x54: 'card/mechanism',
  0x63: 'card/mechanism',
  0x68: 'card/mechanism',
  0x70: 'card/mechanism',
  0x71: 'card/mechanism',
  0xa0: 'card/pin-wrong',
  0xa1: 'card/pin-wrong',
  0xa2: 'card/pin-wrong',
  0xa4: 'card/pin-locked',
  0xb0: 'card/removed',
  0xb3: 'card/removed',
  0xe0: 'card/no-card',
  0x101: 'card/pin-required',
  0x200: 'card/cancelled',
};

const SENTENCES: Partial<Record<ErrorCode, string>> = {
  'card/cancelled': 'the PIN dialog was cancelled',
  'card/mechanism': 'the key cannot sign this way',
  'card/no-card': 'there is no card in the reader',
  'card/pin-locked': 'the PIN is locked; it can be unlocked where the card was issued, or with its PUK',
  'card/pin-required': 'the card needs a PIN that was not given',
  'card/pin-wrong': 'the PIN was wrong',
  'card/removed': 'the card was taken out',
};
