/** Sixty digits, for two people to compare by another channel (docs/protocol.md §1.2). */

/** Groups of five digits. */
const GROUPS = 12;
const GROUP_BYTES = 5;

/** Twelve groups of five digits, from the first 60 bytes of a hash. */
export function sixtyDigits(hash: Uint8Array): string {
  const groups: string[] = [];
  for (let group = 0; group < GROUPS; group += 1) {
    let value = 0;
    // Below 2^40, so exact in a double.
    for (const byte of hash.subarray(group * GROUP_BYTES, (group + 1) * GROUP_BYTES)) value = value * 256 + byte;
    groups.push(String(value % 100_000).padStart(5, '0'));
  }
  return groups.join(' ');
}
