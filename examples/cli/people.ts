/** How people with certificates are verified: the options `--anchors`, `--crls` and their kin. */
import {
  ANY_CERTIFICATE,
  CITIZEN_CARD_AUTHENTICATION,
  GENERIC_EID,
  RELAY_CERTIFICATE,
  type PersonVerifierOptions,
  type Profile,
  type RevocationMode,
} from '../../src/cc/index.ts';
import { createNodeFetcher, loadCrls, loadTrustStore } from '../../src/cc/node/index.ts';
import { UsageError } from './usage.ts';

/** What was asked for, not yet read. */
export interface PeopleOptions {
  readonly anchors: readonly string[];
  readonly intermediates: readonly string[];
  readonly crls: readonly string[];
  readonly profile: Profile;
  readonly revocation: RevocationMode;
  /** Hosts that revocation data may be fetched from. */
  readonly fetchHosts: readonly string[];
}

interface Texts {
  readonly type: 'string';
  readonly multiple: true;
}

/** For `parseArgs`. */
export const PEOPLE_OPTIONS: Readonly<
  Record<'anchors' | 'intermediates' | 'crls' | 'fetch-host', Texts> &
    Record<'profile' | 'revocation', { readonly type: 'string' }>
> = {
  anchors: { type: 'string', multiple: true },
  intermediates: { type: 'string', multiple: true },
  crls: { type: 'string', multiple: true },
  profile: { type: 'string' },
  revocation: { type: 'string' },
  'fetch-host': { type: 'string', multiple: true },
};

/** Those options as `parseArgs` gives them. */
export interface PeopleValues {
  readonly anchors?: readonly string[] | undefined;
  readonly intermediates?: readonly string[] | undefined;
  readonly crls?: readonly string[] | undefined;
  readonly profile?: string | undefined;
  readonly revocation?: string | undefined;
  readonly 'fetch-host'?: readonly string[] | undefined;
}

export const PROFILES: Readonly<Record<string, Profile>> = {
  'citizen-card': CITIZEN_CARD_AUTHENTICATION,
  'generic-eid': GENERIC_EID,
  relay: RELAY_CERTIFICATE,
  any: ANY_CERTIFICATE,
};

const MODES: readonly string[] = ['require', 'soft', 'none'];
const RELOAD_MS = 60_000;

/** @throws UsageError */
export function peopleOptions(values: PeopleValues, defaultProfile: string): PeopleOptions {
  const { profile = defaultProfile, revocation = 'require' } = values;
  if (!Object.hasOwn(PROFILES, profile)) {
    throw new UsageError(`--profile is one of ${Object.keys(PROFILES).join(', ')}, not ${JSON.stringify(profile)}`);
  }
  if (!MODES.includes(revocation)) {
    throw new UsageError(`--revocation is require, soft or none, not ${JSON.stringify(revocation)}`);
  }
  return {
    anchors: values.anchors ?? [],
    intermediates: values.intermediates ?? [],
    crls: values.crls ?? [],
    profile: PROFILES[profile]!,
    revocation: revocation as RevocationMode,
    fetchHosts: values['fetch-host'] ?? [],
  };
}

/** As {@link peopleOptions}, for relays and chats: `undefined` without anchors. @throws UsageError */
export function optionalPeople(values: PeopleValues): PeopleOptions | undefined {
  if (values.anchors === undefined) {
    for (const name of Object.keys(PEOPLE_OPTIONS) as (keyof PeopleValues)[]) {
      if (values[name] !== undefined) throw new UsageError(`--${name} is of no use without --anchors`);
    }
    return undefined;
  }
  const options = peopleOptions(values, 'citizen-card');
  if (options.profile.purpose !== 'person') throw new UsageError('--profile here is citizen-card, generic-eid or any');
  return options;
}

/**
 * Reads anchors and lists. Lists are read again every minute, so that a revocation takes effect without a new start; a
 * reading that fails leaves those from before.
 */
export async function personVerifierOptions(
  options: PeopleOptions,
  warn: (text: string) => void,
): Promise<PersonVerifierOptions> {
  const { anchors, intermediates, profile, revocation, fetchHosts } = options;
  const { trust, skipped } = await loadTrustStore({ purpose: 'person', anchors, intermediates });
  for (const { file, error } of skipped) warn(`passed over ${file}: ${error.message}`);
  let { crls } = await loadCrls(options.crls);
  if (options.crls.length > 0) {
    const reload = async (): Promise<void> => {
      try {
        ({ crls } = await loadCrls(options.crls));
      } catch (error) {
        warn(`revocation lists: ${error instanceof Error ? error.message : String(error)}`);
      }
    };
    setInterval(() => void reload(), RELOAD_MS).unref();
  }
  return {
    trust,
    profile,
    revocation,
    crls: () => crls,
    ...(fetchHosts.length === 0 ? {} : { fetch: createNodeFetcher({ allowedHosts: fetchHosts }) }),
  };
}
