/** How to hand Node a key that is used once: as it is, or as a KeyObject. */
import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';

type OneTimeKey = (key: Uint8Array) => Uint8Array | KeyObject;

// About a millisecond in all, most of it the first calls of a cold process.
const PROBE_ROUNDS = 12;
const CALLS_PER_ROUND = 4;

let chosen: OneTimeKey | undefined;

/**
 * The key in the form that this Node takes faster. Node 24.18 to 24.21 spends 10 to 19 µs more on each raw key, other
 * versions prefer raw ones by 2 µs; which it is, is measured at first use.
 */
export function oneTimeKey(key: Uint8Array): Uint8Array | KeyObject {
  chosen ??= probe();
  return chosen(key);
}

const asIs: OneTimeKey = (key) => key;
const asKeyObject: OneTimeKey = (key) => createSecretKey(key);

function probe(): OneTimeKey {
  const key = new Uint8Array(32);
  // The fastest of many rounds counts, not a sum within a time: whatever else runs on the machine makes some slower.
  let raw = Infinity;
  let keyObject = Infinity;
  for (let round = 0; round < PROBE_ROUNDS; round += 1) {
    raw = Math.min(raw, time(asIs, key));
    keyObject = Math.min(keyObject, time(asKeyObject, key));
  }
  return raw <= keyObject ? asIs : asKeyObject;
}

function time(form: OneTimeKey, key: Uint8Array): number {
  const start = performance.now();
  for (let index = 0; index < CALLS_PER_ROUND; index += 1) createHmac('sha256', form(key)).digest();
  return performance.now() - start;
}
