/** Lattices and labels for the tests of this folder. */
import fc from 'fast-check';
import { createLattice, labelOf, type Label, type Lattice } from '../../src/ifc/index.ts';

export const clinic: Lattice = createLattice({
  levels: ['open', 'staff', 'secret'],
  compartments: ['cardiology', 'oncology'],
});

/** Lattices up to 5 levels and 70 compartments: three words of bits. */
export const anyLattice: fc.Arbitrary<Lattice> = fc
  .record({ levels: fc.integer({ min: 1, max: 5 }), compartments: fc.integer({ min: 0, max: 70 }) })
  .map(({ levels, compartments }) =>
    createLattice({ levels: names('l', levels), compartments: names('c', compartments) }),
  );

/** A lattice and some labels of it. */
export function latticeWith(count: number): fc.Arbitrary<{ lattice: Lattice; labels: Label[] }> {
  return anyLattice.chain((lattice) => {
    const label = fc
      .record({ level: fc.constantFrom(...lattice.levels), compartments: fc.subarray([...lattice.compartments]) })
      .map(({ level, compartments }) => labelOf(lattice, level, compartments));
    return fc.record({
      lattice: fc.constant(lattice),
      labels: fc.array(label, { minLength: count, maxLength: count }),
    });
  });
}

/** Every label of a small lattice. */
export function everyLabel(lattice: Lattice): Label[] {
  const sets: string[][] = [[]];
  for (const name of lattice.compartments) sets.push(...sets.map((set) => [...set, name]));
  return lattice.levels.flatMap((level) => sets.map((set) => labelOf(lattice, level, set)));
}

/** `prefix0`, `prefix1` … */
export function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}`);
}
