/** The suites by node:crypto, by their number in the table. */
import { allSuites } from '../src/crypto/node/suites.ts';
import type { Suite } from '../src/crypto/suite.ts';

/** Number and suite, in the table's order. */
export const SUITES: readonly (readonly [number, Suite])[] = allSuites.map((suite) => [suite.number, suite]);

/** Those whose operations are all synchronous: RSA is not. */
export const QUICK_SUITES: readonly (readonly [number, Suite])[] = SUITES.filter(([number]) => number !== 6);
