/** What `sims` understands on its command line. */
import { parseFingerprint } from '../../src/client/index.ts';
import { SUITE_TABLE } from '../../src/crypto/index.ts';
import { SimsError, type SuiteName } from '../../src/index.node.ts';
import type { ListenAddress } from '../../src/relay/node/index.ts';
import { optionalPeople, PEOPLE_OPTIONS, type PeopleOptions } from './people.ts';
import { SIGNING_OPTIONS, signingOptions, type SigningOptions } from './signing.ts';
import { parsed, printable, UsageError } from './usage.ts';

/** `sims relay …` */
export interface RelayCommand {
  readonly command: 'relay';
  readonly listen: readonly ListenAddress[];
  readonly suites: readonly SuiteName[] | undefined;
  readonly stateDirectory: string | undefined;
  /** How certificates of people are verified; without it they are refused. */
  readonly people: PeopleOptions | undefined;
  /** File of the policy, read again on SIGHUP. */
  readonly policyFile: string | undefined;
  /** File of the audit log. */
  readonly auditFile: string | undefined;
  readonly json: boolean;
}

/** `sims chat URL …` */
export interface ChatCommand {
  readonly command: 'chat';
  readonly url: string;
  readonly name: string;
  readonly pin: string | undefined;
  readonly suites: readonly SuiteName[] | undefined;
  readonly peerSuites: readonly SuiteName[] | undefined;
  readonly stateDirectory: string | undefined;
  /** Card or file to be somebody with. */
  readonly signing: SigningOptions | undefined;
  readonly people: PeopleOptions | undefined;
  /** Level to log in at; without it as high as the relay allows. */
  readonly level: string | undefined;
  readonly json: boolean;
}

/** `sims cert …`, `sims card …`, `sims policy …`: their own files read the rest. */
export interface OtherCommand {
  readonly command: 'cert' | 'card' | 'policy';
  readonly parameters: readonly string[];
}

export type Command = RelayCommand | ChatCommand | OtherCommand | { readonly command: 'help' | 'version' };

export { UsageError };

/** Where a relay listens when it is not told. */
const DEFAULT_LISTEN: readonly string[] = ['tcp://127.0.0.1:4600', 'ws://127.0.0.1:4601'];

export const USAGE: string = `sims: end-to-end encrypted messages in a terminal

  sims relay [--listen tcp://HOST:PORT]… [--listen ws://HOST:PORT]… [--suite SUITE]… [--state DIR] [--json]
             [--anchors DIR]… [--intermediates DIR]… [--crls DIR]… [--profile PROFILE] [--revocation MODE]
             [--fetch-host HOST]… [--policy FILE] [--audit FILE]
      Runs a relay. Port 0 takes a free port. Without --listen: ${DEFAULT_LISTEN.join(' and ')}.
      --state keeps the relay's certificate in DIR, so that clients know it again; without it each start makes a new one.
      --json prints one line when it listens: {"event":"listening","urls":[…],"fingerprint":"sha256:…"}.
      --anchors     takes people with certificates under these (PEM or DER, files or folders); without it they are refused
      --crls        revocation lists, read again every minute; --fetch-host: a host to fetch lists and OCSP answers from
      --profile     citizen-card (default) or generic-eid; --revocation: require (default), soft, none
      --policy      who may send to whom, read again on SIGHUP; without it: two levels, with a certificate and without
      --audit       appends what the policy denied to FILE, each line bound to the line before

  sims chat URL --name NAME [--pin FINGERPRINT] [--suite SUITE]… [--peer-suite SUITE]… [--level LABEL]
            [--state DIR] [--json]
      Joins the relay at URL: tcp://HOST:PORT, ws://… or wss://….
      --pin         the relay's fingerprint, sha256:… as the relay prints it
      --suite       suites to offer the relay; --peer-suite: suites of conversations; the first is liked best
      --level       log in at this level, to talk to people there; without it as high as you may
      --state       keeps key, known relays and open conversations in DIR; without it you are somebody new each time
      --json        JSON lines in and out, also when it is not a terminal; conversations that others open are accepted
                    in: {"do":"list"}  {"do":"open","peer":P}  {"do":"send","peer":P,"text":T,"ref":R}
                        {"do":"close","peer":P}  {"do":"quit"}

      --card        be the holder of a card (--module PATH, --token LABEL); --p12 FILE: of a PKCS #12 file. --name is then
                    optional. The PIN or password is asked for, or in SIMS_PIN or SIMS_P12_PASSWORD. Needs --pin once.
      --anchors, --intermediates, --crls, --profile, --revocation, --fetch-host   to verify peers, as for the relay

  sims cert verify FILE --anchors DIR… [--intermediates DIR]… [--crls DIR]… [--ocsp FILE]… [--at TIME] [--name HOST]…
                   [--profile any|citizen-card|generic-eid|relay] [--revocation require|soft|none] [--fetch-host HOST]…
                   [--policy OID]… [--require-policy] [--inhibit-policy-mapping] [--inhibit-any-policy]
      Prints a verdict as JSON. Exit 0 valid, 1 not.
  sims cert verify --batch FILE [--certs DIR] [--crls DIR] [--at TIME]
      A line of JSON for every case of a file in the form of PKITS or x509-limbo.
  sims cert create relay --name HOST… --out DIR
      A relay's key and self-signed certificate, for relay --state DIR.
  sims cert create test-pki --out DIR [--password PASSWORD]
      A PKI in the shape of the citizen card's with two people, for demonstrations.

  sims policy check FILE [--json]
      Tells each fault of a policy with line and column. Exit 0 sound, 1 not.
  sims policy explain FILE --from LABEL --to LABEL --flow KIND [--json]
      Whether the policy permits it, and why. Exit 0 permitted, 1 denied.
  sims policy audit verify FILE [--head NUMBER:HASH]… [--json]
      Whether an audit log is as it was written; heads are lines that were kept elsewhere. Exit 0 it holds, 1 not.

  sims card list|info [--module PATH] [--token LABEL] [--json]
      The cards that are there; info shows certificates and their holder's name. No PIN is needed.

  sims --help, sims --version

Suites: ${Object.keys(SUITE_TABLE).join('\n        ')}

Exit: 0 all went well, 1 failure, 2 the command line was not understood.
`;

/** @throws UsageError */
export function parseCommand(parameters: readonly string[]): Command {
  const [command, ...rest] = parameters;
  if (command === undefined) throw new UsageError('which command: relay, chat, policy, cert or card?');
  if (parameters.some((parameter) => parameter === '--help' || parameter === '-h')) return { command: 'help' };
  if (command === '--version' || command === '-v') return { command: 'version' };
  if (command === 'help' || command === 'version') return { command };
  if (command === 'relay') return relayCommand(rest);
  if (command === 'chat') return chatCommand(rest);
  if (command === 'cert' || command === 'card' || command === 'policy') return { command, parameters: rest };
  throw new UsageError(`there is no command ${printable(command)}: relay, chat, policy, cert or card`);
}

const TEXTS = { type: 'string', multiple: true } as const;
const TEXT = { type: 'string' } as const;
const FLAG = { type: 'boolean' } as const;

function relayCommand(args: readonly string[]): RelayCommand {
  const options = {
    listen: TEXTS,
    suite: TEXTS,
    state: TEXT,
    policy: TEXT,
    audit: TEXT,
    json: FLAG,
    ...PEOPLE_OPTIONS,
  };
  const { values, positionals } = parsed({ args, options });
  if (positionals.length > 0) throw new UsageError(`relay takes no ${printable(positionals[0]!)}`);
  const listen = (values.listen ?? DEFAULT_LISTEN).map(listenAddress);
  return {
    command: 'relay',
    listen,
    suites: suitesOf('--suite', values.suite),
    stateDirectory: directoryOf(values.state),
    people: optionalPeople(values),
    policyFile: fileOf('--policy', values.policy),
    auditFile: fileOf('--audit', values.audit),
    json: values.json ?? false,
  };
}

function chatCommand(args: readonly string[]): ChatCommand {
  const options = {
    name: TEXT,
    pin: TEXT,
    suite: TEXTS,
    'peer-suite': TEXTS,
    level: TEXT,
    state: TEXT,
    json: FLAG,
    ...SIGNING_OPTIONS,
    ...PEOPLE_OPTIONS,
  };
  const { values, positionals } = parsed({ args, options });
  const [url, ...more] = positionals;
  if (url === undefined) throw new UsageError('chat needs the URL of a relay');
  if (more.length > 0) throw new UsageError(`chat takes one URL, and then no ${printable(more[0]!)}`);
  checkRelayUrl(url);
  const signing = signingOptions(values);
  if (values.name === undefined && signing === undefined) throw new UsageError('chat needs --name');
  const bytes = Buffer.byteLength(values.name ?? '');
  if ((bytes === 0 && values.name !== undefined) || bytes > 128)
    throw new UsageError(`--name is 1 to 128 bytes, not ${bytes}`);
  return {
    command: 'chat',
    url,
    name: values.name ?? '',
    pin: checkedPin(values.pin),
    suites: suitesOf('--suite', values.suite),
    peerSuites: suitesOf('--peer-suite', values['peer-suite']),
    stateDirectory: directoryOf(values.state),
    signing,
    people: optionalPeople(values),
    level: levelOf(values.level),
    json: values.json ?? false,
  };
}

function suitesOf(option: string, names: readonly string[] | undefined): readonly SuiteName[] | undefined {
  for (const name of names ?? []) {
    if (!Object.hasOwn(SUITE_TABLE, name)) throw new UsageError(`${option}: there is no suite ${printable(name)}`);
  }
  return names === undefined ? undefined : [...new Set(names as readonly SuiteName[])];
}

function listenAddress(url: string): ListenAddress {
  const pattern = /^(?<scheme>tcp|ws):\/\/(?:\[(?<v6>[\da-f:.]+)\]|(?<host>[^[\]:/?#@]+)):(?<port>\d{1,5})\/?$/iu;
  const { scheme, v6, host, port } = pattern.exec(url)?.groups ?? {};
  if (scheme === undefined || Number(port) > 65_535) {
    throw new UsageError(`--listen is tcp://HOST:PORT or ws://HOST:PORT, not ${printable(url)}`);
  }
  return { scheme: scheme.toLowerCase() as 'tcp' | 'ws', host: v6 ?? host!, port: Number(port) };
}

function checkRelayUrl(url: string): void {
  const isTcp = /^tcp:\/\/[^/?#@]+:\d{1,5}\/?$/u.test(url) && hasPort(url);
  const isWebSocket = /^wss?:\/\//u.test(url) && URL.canParse(url);
  if (!isTcp && !isWebSocket)
    throw new UsageError(`a relay is tcp://HOST:PORT, ws://… or wss://…, not ${printable(url)}`);
}

function hasPort(url: string): boolean {
  return URL.canParse(url.replace(/^tcp:/u, 'ws:'));
}

function checkedPin(pin: string | undefined): string | undefined {
  if (pin === undefined) return undefined;
  try {
    parseFingerprint(pin);
    return pin.toLowerCase();
  } catch (error) {
    if (error instanceof SimsError) throw new UsageError(`--pin: ${error.message}`, { cause: error });
    throw error;
  }
}

function fileOf(option: string, path: string | undefined): string | undefined {
  if (path === '') throw new UsageError(`${option} needs a file`);
  return path;
}

/** Only its length is judged here: which levels there are is the relay's word. */
function levelOf(level: string | undefined): string | undefined {
  const bytes = Buffer.byteLength(level ?? 'any');
  if (bytes === 0 || bytes > 255) throw new UsageError(`--level is 1 to 255 bytes, not ${bytes}`);
  return level;
}

function directoryOf(state: string | undefined): string | undefined {
  if (state === '') throw new UsageError('--state needs a directory');
  return state;
}
