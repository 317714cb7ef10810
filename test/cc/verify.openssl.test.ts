/**
 * The same verdict as `openssl verify` on mutants of a good chain: operators with seeds, both verdicts occurring. They keep
 * away from where the two differ on purpose: openssl looks for an anchor on the anchor's own list, takes the last second
 * of a validity as expired, lets pass name constraints that are not critical, and maps policies out of an anyPolicy that
 * inhibitAnyPolicy has taken away.
 * `SIMS_MUTANTS` sets the number for each operator.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import {
  integer,
  namedBits,
  objectIdentifier,
  printableString,
  sequence,
  setOf,
  tagged,
  taggedPrimitive,
  utf8String,
} from '../../src/cc/createDer.ts';
import { ANY_CERTIFICATE, createTrustStore, verifyCertificate, type PolicyInputs } from '../../src/cc/index.ts';
import * as pki from './makePki.ts';
import { AT, DAY } from './makePki.ts';

const run = promisify(execFile);
const MUTANTS_PER_OPERATOR = Number(process.env['SIMS_MUTANTS'] ?? 30);

/** Small, seeded, good enough to pick mutants. */
class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed;
  }
  below(limit: number): number {
    this.#state = (Math.imul(this.#state ^ (this.#state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    const mixed = Math.imul(this.#state ^ (this.#state >>> 13), 0x297a2d39);
    return ((mixed ^ (mixed >>> 16)) >>> 0) % limit;
  }
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
  chance(): boolean {
    return this.below(2) === 0;
  }
}

interface Member {
  subject: Uint8Array;
  issuer: Uint8Array;
  key: pki.Key;
  issuerKey: pki.Key;
  serial: number;
  notBefore: number;
  notAfter: number;
  extensions: Record<string, Uint8Array | undefined>;
  innerAlgorithm?: Uint8Array;
}

interface Mutant {
  /** Root, CA, sub-CA, target. */
  chain: Member[];
  /** For each issuer, by place. */
  crls: (pki.CrlParts | undefined)[];
  crlKeys: (pki.Key | undefined)[];
  extraCrls: Uint8Array[];
  /** Changes the encoded chain. */
  finish?: (ders: Uint8Array[]) => Uint8Array[];
  policies: PolicyInputs;
}

const KEYS = Array.from({ length: 6 }, () => pki.makeKey());
const SMALL = pki.makeKey('RSA-1024');
const NAMES = ['Root', 'Intermediate CA', 'Issuing CA', 'Target'];
const ANY_POLICY = '2.5.29.32.0';
const POLICY = ['1.3.6.1.4.1.1.1', '1.3.6.1.4.1.1.2', '1.3.6.1.4.1.1.3', ANY_POLICY];

function good(): Mutant {
  const chain = NAMES.map((commonName, at): Member => {
    const key = KEYS[at]!;
    const above = Math.max(0, at - 1);
    const isTarget = at === NAMES.length - 1;
    return {
      subject: pki.name(commonName),
      issuer: pki.name(NAMES[above]!),
      key,
      issuerKey: KEYS[above]!,
      serial: 100 + at,
      notBefore: AT - 100 * DAY,
      notAfter: AT + 100 * DAY,
      extensions: {
        basicConstraints: isTarget ? undefined : pki.basicConstraints(),
        keyUsage: isTarget ? pki.keyUsage(0) : pki.keyUsage(5, 6),
        subjectKeyId: pki.subjectKeyId(key),
        authorityKeyId: at === 0 ? undefined : pki.authorityKeyId(KEYS[above]!),
        altNames: isTarget ? pki.altNames(pki.dns('a.example.test')) : undefined,
      },
    };
  });
  return { chain, crls: [{}, {}, {}], crlKeys: [], extraCrls: [], policies: {} };
}

type Operator = (mutant: Mutant, random: Random) => void;

const flip = (bytes: Uint8Array, random: Random): Uint8Array => {
  const changed = bytes.slice();
  changed[random.below(changed.length)]! ^= 1 << random.below(8);
  return changed;
};
const replaced = (ders: Uint8Array[], at: number, der: Uint8Array): Uint8Array[] =>
  ders.map((each, place) => (place === at ? der : each));
const below = (random: Random): number => 1 + random.below(3);

const OPERATORS: Readonly<Record<string, Operator>> = {
  'a bit of the target changed': (mutant, random) => {
    mutant.finish = (ders) => replaced(ders, 3, flip(ders[3]!, random));
  },
  'a bit of a CA changed': (mutant, random) => {
    const at = 1 + random.below(2);
    mutant.finish = (ders) => replaced(ders, at, flip(ders[at]!, random));
  },
  'validity moved': (mutant, random) => {
    const member = mutant.chain[below(random)]!;
    member.notBefore = AT + (random.below(40) - 30) * DAY - 1_000;
    member.notAfter = AT + (random.below(40) - 10) * DAY + 1_000;
  },
  'path length set': (mutant, random) => {
    const member = mutant.chain[1 + random.below(2)]!;
    member.extensions['basicConstraints'] = pki.basicConstraints(random.below(3));
    if (random.chance()) mutant.chain[0]!.extensions['basicConstraints'] = pki.basicConstraints(random.below(4));
  },
  'basic constraints changed': (mutant, random) => {
    const member = mutant.chain[below(random)]!;
    member.extensions['basicConstraints'] = random.pick([
      undefined,
      pki.basicConstraints(undefined, false),
      pki.basicConstraints(),
      pki.extension('2.5.29.19', sequence(), true),
    ]);
  },
  'key usage changed': (mutant, random) => {
    const member = mutant.chain[below(random)]!;
    const bits = [0, 1, 2, 5, 6].filter(() => random.chance());
    member.extensions['keyUsage'] = pki.keyUsage(...(bits.length === 0 ? [3] : bits));
  },
  'an unknown extension added': (mutant, random) => {
    mutant.chain[below(random)]!.extensions['unknown'] = pki.extension(
      '1.2.3.4.5',
      Uint8Array.of(5, 0),
      random.chance(),
    );
  },
  'issuer name written in another way': (mutant, random) => {
    const at = below(random);
    const member = mutant.chain[at]!;
    const text = NAMES[at - 1]!;
    const variants = [
      text,
      text.toUpperCase(),
      ` ${text}  `,
      text.replace(' ', '   '),
      `${text}x`,
      text.replace('A', 'B'),
      text.replaceAll(' ', ''),
    ];
    const asString = random.chance() ? utf8String : printableString;
    member.issuer = sequence(setOf(sequence(objectIdentifier('2.5.4.3'), asString(random.pick(variants)))));
    if (at < 3) mutant.crlKeys[at] = mutant.chain[at]!.key;
  },
  'names constrained': (mutant, random) => {
    const address = (...octets: number[]): Uint8Array => taggedPrimitive(7, Uint8Array.from(octets));
    const mail = (text: string): Uint8Array => taggedPrimitive(1, new TextEncoder().encode(text));
    const bases = [
      pki.dns('example.test'),
      pki.dns('a.example.test'),
      pki.dns('other.test'),
      mail('example.test'),
      mail('.example.test'),
      mail('me@example.test'),
      address(10, 0, 0, 0, 255, 0, 0, 0),
      address(10, 1, 0, 0, 255, 255, 0, 0),
      pki.uri('example.test'),
      pki.uri('.example.test'),
      pki.directory(pki.name('Target')),
      pki.directory(pki.name('Other')),
      pki.directory(sequence()),
    ];
    const names = [
      pki.dns('a.example.test'),
      pki.dns('b.other.test'),
      pki.dns('aexample.test'),
      mail('me@example.test'),
      mail('you@a.example.test'),
      address(10, 1, 2, 3),
      address(192, 0, 2, 1),
      pki.uri('http://a.example.test/x'),
      pki.uri('http://example.test:80/'),
      pki.directory(pki.name('Target', 'More')),
    ];
    const some = (from: readonly Uint8Array[], most: number): Uint8Array[] =>
      Array.from({ length: random.below(most + 1) }, () => random.pick(from));
    const permitted = some(bases, 2);
    const excluded = permitted.length === 0 ? [random.pick(bases)] : some(bases, 1);
    mutant.chain[random.below(3)]!.extensions['nameConstraints'] = pki.subtrees(permitted, excluded);
    mutant.chain[3]!.extensions['altNames'] = pki.altNames(random.pick(names), ...some(names, 1));
  },
  'policies asked for': (mutant, random) => {
    const some = (): string[] => [...new Set([random.pick(POLICY), random.pick(POLICY)])];
    for (const at of [1, 2, 3])
      if (random.below(4) > 0) mutant.chain[at]!.extensions['policies'] = pki.policies(...some());
    mutant.policies = { initialExplicitPolicy: true, initialPolicySet: [random.pick(POLICY)] };
  },
  'policies mapped and constrained': (mutant, random) => {
    const picked = [1, 2, 3].map(() => random.pick(POLICY));
    for (const [at, policy] of picked.entries()) mutant.chain[at + 1]!.extensions['policies'] = pki.policies(policy);
    const hasCaAnyPolicy = picked.slice(0, 2).includes(ANY_POLICY);
    const pair = sequence(objectIdentifier(random.pick(POLICY)), objectIdentifier(random.pick(POLICY)));
    mutant.chain[1 + random.below(2)]!.extensions['policyMappings'] = pki.extension('2.5.29.33', sequence(pair), true);
    const constraint = taggedPrimitive(random.below(2), Uint8Array.of(random.below(3)));
    mutant.chain[1 + random.below(2)]!.extensions['policyConstraints'] = pki.extension(
      '2.5.29.36',
      sequence(constraint),
      true,
    );
    if (random.chance() && !hasCaAnyPolicy)
      mutant.chain[1]!.extensions['inhibitAny'] = pki.extension('2.5.29.54', integer(random.below(2)), true);
    mutant.policies = { initialExplicitPolicy: random.chance(), initialPolicySet: [random.pick(POLICY)] };
  },
  'key identifiers changed': (mutant, random) => {
    const member = mutant.chain[below(random)]!;
    const which = random.pick(['subjectKeyId', 'authorityKeyId'] as const);
    const key = random.pick(KEYS);
    member.extensions[which] = which === 'subjectKeyId' ? pki.subjectKeyId(key) : pki.authorityKeyId(key);
  },
  'signed by another key': (mutant, random) => {
    mutant.chain[below(random)]!.issuerKey = random.pick(KEYS);
  },
  'certificates left out, repeated, turned round': (mutant, random) => {
    mutant.finish = ([top, first, second, target]) => {
      const between = [first!, second!].filter(() => random.below(4) > 0);
      if (random.chance()) between.push(...between);
      if (random.chance()) between.reverse();
      if (random.chance()) between.push(top!);
      return [top!, ...between, target!];
    };
  },
  'revoked, or not': (mutant, random) => {
    const entries = Array.from({ length: 1 + random.below(3) }, () => ({
      serial: 101 + random.below(5),
      reason: random.pick([1, 4, 5]),
    }));
    mutant.crls[random.below(3)] = { revoked: entries };
  },
  'a list of another time, or none': (mutant, random) => {
    const at = random.below(3);
    mutant.crls[at] = random.pick<pki.CrlParts | undefined>([
      undefined,
      { thisUpdate: AT - 9 * DAY, nextUpdate: AT - 1_000 },
      { thisUpdate: AT - 1_000, nextUpdate: AT + 1_000 },
      { thisUpdate: AT + DAY, nextUpdate: AT + 2 * DAY },
      {},
    ]);
  },
  'a list signed by another key': (mutant, random) => {
    mutant.crlKeys[random.below(3)] = random.pick(KEYS);
  },
  'a list of another scope': (mutant, random) => {
    const scope = (...fields: Uint8Array[]): Uint8Array => pki.extension('2.5.29.28', sequence(...fields), true);
    const isSet = Uint8Array.of(0xff);
    const point = tagged(0, tagged(0, pki.uri('http://lists.test/a')));
    const other = tagged(0, tagged(0, pki.uri('http://lists.test/b')));
    const at = 1 + random.below(2);
    mutant.crls[at] = {
      revoked: [{ serial: 101 + random.below(5) }],
      extensions: [
        random.pick([
          scope(taggedPrimitive(1, isSet)),
          scope(taggedPrimitive(2, isSet)),
          scope(taggedPrimitive(5, isSet)),
          scope(point),
          scope(other),
          scope(namedBits([1, 4], 0x83)),
          pki.extension('1.2.3.4.6', Uint8Array.of(5, 0), random.chance()),
          scope(point, taggedPrimitive(4, isSet)),
        ]),
      ],
    };
    if (random.chance())
      mutant.chain[at + 1]!.extensions['distributionPoints'] = pki.distributionPoints('http://lists.test/a');
  },
  'keys that are too small': (mutant, random) => {
    const at = 1 + random.below(2);
    if (random.chance()) return;
    const member = mutant.chain[at]!;
    member.key = SMALL;
    member.extensions['subjectKeyId'] = pki.subjectKeyId(SMALL);
    const next = mutant.chain[at + 1]!;
    next.issuerKey = SMALL;
    next.extensions['authorityKeyId'] = pki.authorityKeyId(SMALL);
  },
};

interface Encoded {
  readonly ders: readonly Uint8Array[];
  readonly crls: readonly Uint8Array[];
  readonly policies: PolicyInputs;
}

function encode(mutant: Mutant): Encoded {
  const ders = mutant.chain.map((member) => {
    const extensions = Object.values(member.extensions).filter((each) => each !== undefined);
    return pki.certificate({ ...member, extensions });
  });
  const crls = mutant.crls.flatMap((parts, at) => {
    const { subject, key } = mutant.chain[at]!;
    return parts === undefined
      ? []
      : [pki.crl({ name: subject, key: mutant.crlKeys[at] ?? key, der: new Uint8Array() }, parts)];
  });
  return { ders: mutant.finish?.(ders) ?? ders, crls: [...crls, ...mutant.extraCrls], policies: mutant.policies };
}

async function ours({ ders, crls, policies }: Encoded): Promise<readonly string[]> {
  const [anchor, ...others] = ders;
  const trust = createTrustStore({ purpose: 'person', anchors: [anchor!] });
  const verdict = await verifyCertificate({
    certificate: others.at(-1)!,
    intermediates: others.slice(0, -1),
    trust,
    profile: ANY_CERTIFICATE,
    atMs: AT,
    crls,
    policies,
    clockSkewMs: 0,
  });
  return verdict.valid ? [] : verdict.reasons;
}

const folder = mkdtempSync(join(tmpdir(), 'sims-mutants-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let lastFolder = 0;

async function openssl({ ders, crls, policies }: Encoded): Promise<{ readonly valid: boolean; readonly said: string }> {
  const place = join(folder, String((lastFolder += 1)));
  mkdirSync(place);
  const [anchor, ...others] = ders;
  const write = (name: string, all: readonly Uint8Array[], label: string): string => {
    const file = join(place, name);
    writeFileSync(file, all.map((der) => pki.pem(der, label)).join(''));
    return file;
  };
  const flags = [
    '-x509_strict',
    '-crl_check_all',
    '-extended_crl',
    '-auth_level',
    '2',
    '-purpose',
    'any',
    '-attime',
    String(AT / 1_000),
  ];
  flags.push('-policy_check', ...(policies.initialExplicitPolicy === true ? ['-explicit_policy'] : []));
  for (const policy of policies.initialPolicySet ?? []) flags.push('-policy', policy);
  const untrusted = others.slice(0, -1);
  try {
    const { stdout } = await run('openssl', [
      'verify',
      '-no-CApath',
      '-no-CAstore',
      '-CAfile',
      write('anchor.pem', [anchor!], 'CERTIFICATE'),
      ...flags,
      ...(untrusted.length > 0 ? ['-untrusted', write('untrusted.pem', untrusted, 'CERTIFICATE')] : []),
      ...(crls.length > 0 ? ['-CRLfile', write('lists.pem', crls, 'X509 CRL')] : []),
      write('target.pem', [others.at(-1)!], 'CERTIFICATE'),
    ]);
    return { valid: true, said: stdout };
  } catch (error) {
    const { stderr = '', stdout = '', code } = error as { stderr?: string; stdout?: string; code?: unknown };
    if (code !== 1 && code !== 2) throw error;
    return { valid: false, said: /error \d+ [^\n]*/.exec(stdout + stderr)?.[0] ?? stderr.slice(0, 200) };
  }
}

describe('openssl verify', () => {
  it('agrees on the chain that the mutants come from', async () => {
    const encoded = encode(good());
    expect(await ours(encoded)).toEqual([]);
    expect(await openssl(encoded)).toMatchObject({ valid: true });
  });

  it(`agrees on ${Object.keys(OPERATORS).length * MUTANTS_PER_OPERATOR} mutants, each of the verdicts occurring`, async () => {
    const jobs = Object.entries(OPERATORS).flatMap(([name, operator], at) =>
      Array.from({ length: MUTANTS_PER_OPERATOR }, (_, seed) => ({ name, operator, seed: at * 1_000 + seed })),
    );
    const disagreements: string[] = [];
    const counts = new Map<string, { valid: number; refused: number }>();
    const startedMs = performance.now();
    const worker = async (): Promise<void> => {
      for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
        const mutant = good();
        job.operator(mutant, new Random(job.seed + 1));
        const encoded = encode(mutant);
        const [reasons, theirs] = await Promise.all([ours(encoded), openssl(encoded)]);
        const isValid = reasons.length === 0;
        const count = counts.get(job.name) ?? { valid: 0, refused: 0 };
        count[isValid ? 'valid' : 'refused'] += 1;
        counts.set(job.name, count);
        if (isValid !== theirs.valid)
          disagreements.push(
            `${job.name}, seed ${job.seed}: ours ${reasons.join(', ') || 'valid'}; openssl ${theirs.said.trim()}`,
          );
      }
    };
    await Promise.all([worker(), worker(), worker()]);
    const rows = [...counts].map(
      ([name, { valid, refused }]) => `${name.padEnd(48)}${String(valid).padStart(6)}${String(refused).padStart(8)}`,
    );
    console.log(
      [
        `${'mutants'.padEnd(48)} valid refused`,
        ...rows,
        `${((performance.now() - startedMs) / 1_000).toFixed(1)} s`,
      ].join('\n'),
    );
    expect(disagreements).toEqual([]);
    const total = (which: 'valid' | 'refused'): number =>
      [...counts.values()].reduce((sum, each) => sum + each[which], 0);
    expect(total('valid') + total('refused')).toBeGreaterThanOrEqual(500);
    expect(counts.size).toBeGreaterThanOrEqual(10);
    expect(total('valid')).toBeGreaterThan(50);
    expect(total('refused')).toBeGreaterThan(50);
  });
});
