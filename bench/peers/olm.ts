/** Matrix's first library (WebAssembly): the double ratchet on X25519, text in and out. */
import { loadPeer } from '../peers.ts';

interface Account {
  create(): void;
  identity_keys(): string;
  generate_one_time_keys(count: number): void;
  one_time_keys(): string;
  mark_keys_as_published(): void;
  remove_one_time_keys(session: Session): void;
}
interface Session {
  create_outbound(account: Account, identityKey: string, oneTimeKey: string): void;
  create_inbound(account: Account, message: string): void;
  encrypt(text: string): { readonly type: 0 | 1; readonly body: string };
  decrypt(type: 0 | 1, body: string): string;
  pickle(key: string): string;
  free(): void;
}
interface Olm {
  init(): Promise<void>;
  readonly Account: new () => Account;
  readonly Session: new () => Session;
}

/** A session between two parties. */
export interface OlmSession {
  /** One message from end to end; gives the bytes on the wire. */
  send(from: 0 | 1, text: string): number;
  readonly setUpLength: number;
  stateLength(): number;
  /** Gives back the memory of the module. */
  free(): void;
}

/** How sessions are set up; the accounts are made once. */
export async function olmSessions(): Promise<() => OlmSession> {
  const { default: olm } = await loadPeer<{ readonly default: Olm }>('@matrix-org/olm');
  await olm.init();
  const [one, other] = [new olm.Account(), new olm.Account()];
  one.create();
  other.create();
  const { curve25519 } = JSON.parse(other.identity_keys()) as { curve25519: string };
  return () => {
    other.generate_one_time_keys(1);
    const keys = JSON.parse(other.one_time_keys()) as { curve25519: Readonly<Record<string, string>> };
    const [oneTimeKey] = Object.values(keys.curve25519);
    other.mark_keys_as_published();
    const [sending, receiving] = [new olm.Session(), new olm.Session()];
    sending.create_outbound(one, curve25519, oneTimeKey!);
    const first = sending.encrypt('hi');
    receiving.create_inbound(other, first.body);
    receiving.decrypt(first.type, first.body);
    other.remove_one_time_keys(receiving);
    const answer = receiving.encrypt('yo');
    sending.decrypt(answer.type, answer.body);
    return {
      send(from, text) {
        const [speaker, listener] = from === 0 ? [sending, receiving] : [receiving, sending];
        const { type, body } = speaker.encrypt(text);
        if (listener.decrypt(type, body).length !== text.length) throw new Error('a message arrived changed');
        return body.length;
      },
      setUpLength: first.body.length + answer.body.length,
      stateLength: () => sending.pickle('key').length,
      free() {
        sending.free();
        receiving.free();
      },
    };
  };
}
