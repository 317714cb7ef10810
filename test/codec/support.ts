import fc from 'fast-check';
import type { Value } from '../../src/codec/value.ts';
import { SimsError, type ErrorCode } from '../../src/errors.ts';

/** The code that an action throws; `undefined` if it does not throw. Any other exception is passed on. */
export function codeOf(action: () => unknown): ErrorCode | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (error instanceof SimsError) return error.code;
    throw error;
  }
}

export function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.replaceAll(' ', '').match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

const texts = fc.string({ unit: 'binary', maxLength: 12 });
const integers = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer({ min: -300, max: 300 }),
  fc.constantFrom(23, 24, 255, 256, 65_535, 65_536, 4_294_967_295, 4_294_967_296, -24, -25, -256, -257),
);

/** Values of either encoding, nested to at most 4. */
export const values: fc.Arbitrary<Value> = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthIdentifier: 'value' },
    integers,
    texts,
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 40 }),
    fc.array(tie('value'), { maxLength: 4, depthIdentifier: 'value' }),
    fc
      .array(fc.tuple(fc.oneof(integers, texts), tie('value')), { maxLength: 4, depthIdentifier: 'value' })
      .map((entries) => new Map(entries)),
  ),
})).value;

/** Maps that JSON can hold, nested to at most 4. */
export const jsonMaps: fc.Arbitrary<ReadonlyMap<string, Value>> = fc.letrec<{
  value: Value;
  map: Map<string, Value>;
}>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthIdentifier: 'value' },
    integers,
    texts,
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 4, depthIdentifier: 'value' }),
    tie('map'),
  ),
  map: fc
    .array(fc.tuple(fc.oneof(texts, fc.constantFrom('__proto__', 'constructor', 'toString')), tie('value')), {
      maxLength: 4,
      depthIdentifier: 'value',
    })
    .map((entries) => new Map(entries)),
})).map;
