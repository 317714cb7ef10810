/**
 * What one client, and all of them together, may cost a relay. Each limit says why it is there.
 *
 * @packageDocumentation
 */
import { MAX_FRAME_BYTES, MAX_FRAME_BYTES_BEFORE_HOP } from '../codec/limits.ts';
import { SimsError } from '../errors.ts';

/** Limits of a relay; every one can be set. */
export interface RelayLimits {
  /** Longest frame over an established hop, in bytes. The protocol's own bound; a relay may take less. Default 1 MiB. */
  readonly frameBytes: number;
  /** Longest frame of a stranger, in bytes: what anyone who connects can make the relay hold. Default 64 KiB. */
  readonly frameBytesBeforeHop: number;
  /** Connections in all. Each costs a descriptor and about 20 kB. Default 20,000. */
  readonly connections: number;
  /**
   * Connections without a hop. When there are more, the oldest that has begun no handshake makes room, so that idle
   * strangers cannot keep others out; when all have begun one, the new one is turned away. Default 1,024.
   */
  readonly strangers: number;
  /**
   * Handshakes in flight. Beyond it one whose client has not answered for 2 s is given up, or, when there is none, the new
   * client is told `busy`. Bounds the memory of half-done handshakes. Default 256.
   */
  readonly handshakes: number;
  /** RSA handshakes in flight: each takes a key pair that costs a second. Beyond it RSA is not served. Default 8. */
  readonly rsaHandshakes: number;
  /** Time from connecting to an established hop, in milliseconds. Default 10,000. */
  readonly establishMs: number;
  /** Messages a second from one client, enforced by not reading it: no error, nothing lost. Default 200. */
  readonly messagesPerSecond: number;
  /** Messages that a client which was quiet may send at once. Default 1,000. */
  readonly messageBurst: number;
  /** Bytes a second from one client, enforced alike: a relay opens and seals every byte. Default 32 MiB. */
  readonly bytesPerSecond: number;
  /** Bytes that a client which was quiet may send at once. Default 64 MiB. */
  readonly byteBurst: number;
  /** Queue to one client above which the relay stops reading from it and holds its list back, in bytes. Default 256 KiB. */
  readonly queueMarkBytes: number;
  /** Queue to one client above which what comes for it goes to its mailbox, in bytes. Default 4 MiB. */
  readonly queueBytes: number;
  /**
   * All queues above their marks of the clients of one label, in bytes. Beyond it every such queue counts as full, so that
   * many slow readers cost no more than this. Labels do not share it: none can feel another's. Default 256 MiB.
   */
  readonly totalQueueBytes: number;
  /** How long a client may leave its queue full before it is closed as `slow-consumer`, in milliseconds. Default 30,000. */
  readonly slowConsumerMs: number;
  /** How long a client whose connection broke stays in the list, in milliseconds: reconnecting shows nothing. Default 60,000. */
  readonly graceMs: number;
  /** Clients of one label that may be in their grace at once; beyond it the oldest of them ends. Default 20,000. */
  readonly graces: number;
  /** Messages in one mailbox. Default 1,000. */
  readonly mailboxMessages: number;
  /** Bytes in one mailbox. Default 16 MiB. */
  readonly mailboxBytes: number;
  /** Bytes in all mailboxes of one label that are held in memory. Default 256 MiB. */
  readonly totalMailboxBytes: number;
  /** Age at which a message in a mailbox is dropped, in milliseconds. Default 14 days. */
  readonly mailboxAgeMs: number;
  /**
   * Addresses of one label that may have published bundles: those that are away are listed, and messages are kept for them.
   * 0: nothing is kept for anybody. Default 20,000.
   */
  readonly keptAddresses: number;
  /** How long a client that has published bundles is listed while it is away, in milliseconds. Default 30 days. */
  readonly keptAgeMs: number;
  /** Bundles that one address may have here. Default 1,000. */
  readonly bundles: number;
  /** Bytes of the bundles that one address may have here. Default 4 MiB. */
  readonly bundleBytes: number;
  /** Bytes of the bundles of one label that are held in memory. Default 256 MiB. */
  readonly totalBundleBytes: number;
  /** Bundles that one client may ask for in an hour: so many also at once, if it was quiet. Default 600. */
  readonly fetchesPerHour: number;
  /** Bundles of one address that one client may ask for in an hour: whoever takes them all keeps others waiting. Default 60. */
  readonly peerFetchesPerHour: number;
  /** Between two looks at a session's certificate, whether it was revoked meanwhile, in milliseconds. Default 15 minutes. */
  readonly recheckMs: number;
  /** Changes of the list are gathered for so long, in milliseconds: many arrivals make one message. Default 100. */
  readonly listIntervalMs: number;
}

const MEBIBYTE = 1_048_576;

/** The defaults. */
export const DEFAULT_LIMITS: RelayLimits = {
  frameBytes: MAX_FRAME_BYTES,
  frameBytesBeforeHop: MAX_FRAME_BYTES_BEFORE_HOP,
  connections: 20_000,
  strangers: 1_024,
  handshakes: 256,
  rsaHandshakes: 8,
  establishMs: 10_000,
  messagesPerSecond: 200,
  messageBurst: 1_000,
  bytesPerSecond: 32 * MEBIBYTE,
  byteBurst: 64 * MEBIBYTE,
  queueMarkBytes: 262_144,
  queueBytes: 4 * MEBIBYTE,
  totalQueueBytes: 256 * MEBIBYTE,
  slowConsumerMs: 30_000,
  graceMs: 60_000,
  graces: 20_000,
  mailboxMessages: 1_000,
  mailboxBytes: 16 * MEBIBYTE,
  totalMailboxBytes: 256 * MEBIBYTE,
  mailboxAgeMs: 14 * 86_400_000,
  keptAddresses: 20_000,
  keptAgeMs: 30 * 86_400_000,
  bundles: 1_000,
  bundleBytes: 4 * MEBIBYTE,
  totalBundleBytes: 256 * MEBIBYTE,
  fetchesPerHour: 600,
  peerFetchesPerHour: 60,
  recheckMs: 15 * 60_000,
  listIntervalMs: 100,
};

/** Limits that may be 0; the others are at least 1. */
const MAY_BE_ZERO: readonly string[] = [
  'graceMs',
  'rsaHandshakes',
  'listIntervalMs',
  'mailboxMessages',
  'graces',
  'keptAddresses',
];

/**
 * The limits that were given, over the defaults.
 *
 * @throws `relay/invalid-option` for a limit that is not known, not a whole number, too small, or beyond the protocol's own
 */
export function limitsFrom(given: Partial<RelayLimits> = {}): RelayLimits {
  for (const [name, value] of Object.entries(given)) {
    const least = MAY_BE_ZERO.includes(name) ? 0 : 1;
    if (!Object.hasOwn(DEFAULT_LIMITS, name)) throw new SimsError('relay/invalid-option', 'a limit that is not known');
    if (!Number.isSafeInteger(value) || value < least) {
      throw new SimsError('relay/invalid-option', `limit ${name}: ${value} is no whole number from ${least}`);
    }
  }
  const limits = { ...DEFAULT_LIMITS, ...given };
  if (limits.frameBytes > MAX_FRAME_BYTES || limits.frameBytesBeforeHop > MAX_FRAME_BYTES_BEFORE_HOP) {
    throw new SimsError(
      'relay/invalid-option',
      `frames of ${limits.frameBytes} and ${limits.frameBytesBeforeHop} bytes are beyond the protocol's`,
    );
  }
  return limits;
}
