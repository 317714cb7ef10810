/**
 * Hops of the simulation: one handshake and some records a step, with someone on the wire.
 *
 * @packageDocumentation
 */
import { concat, fromBase64url } from '../../../src/bytes.ts';
import { nodeProvider as provider } from '../../../src/crypto/node/index.ts';
import type { SignatureKeyPair } from '../../../src/crypto/provider.ts';
import type { Suite } from '../../../src/crypto/suite.ts';
import { SimsError } from '../../../src/errors.ts';
import {
  createCredentialVerifier,
  relayIdentityOf,
  runInitiator,
  runResponder,
  type AnswerHost,
  type EstablishedOutput,
  type HopContext,
} from '../../../src/handshake/index.ts';
import { addressBytes, addressFromBytes } from '../../../src/messages/address.ts';
import type { Secure } from '../../../src/messages/secure.ts';
import { HopChannel } from '../../../src/session/hop.ts';
import type { Chance } from './chance.ts';
import type { Client } from './client.ts';
import { Violation } from './truth.ts';

interface Body {
  readonly phase: 1 | 2 | 3 | 4;
  readonly body: Uint8Array;
}

/** Who is on the wire of a hop: gives what is delivered instead. */
export type OnTheWire = (phase: 1 | 2 | 3 | 4, body: Uint8Array) => Uint8Array;

/** A relay's key, and what was said and sealed on its hops. */
export class Hops {
  readonly keyPair: SignatureKeyPair;
  readonly relayIdentity: Uint8Array;
  readonly bodies: Body[] = [];
  readonly records: Secure[] = [];
  readonly #chance: Chance;
  readonly #suites: readonly Suite[];

  constructor(chance: Chance, suites: readonly Suite[]) {
    this.#chance = chance;
    this.#suites = suites;
    this.keyPair = provider.generateSignatureKeyPair('Ed25519', chance.bytes);
    this.relayIdentity = relayIdentityOf(provider, this.keyPair.spki);
  }

  /**
   * A client connects. Both ends get the same keys when nobody changed anything; when somebody did, they get none, or not
   * both. Gives what came of it.
   */
  connect(client: Client, nowMs: number, onTheWire: OnTheWire): 'open' | 'refused' {
    const { bytes } = this.#chance;
    let isChanged = false;
    const pass = (phase: 1 | 2 | 3 | 4, body: Uint8Array): Uint8Array => {
      this.bodies.push({ phase, body });
      if (this.bodies.length > 40) this.bodies.shift();
      const passed = onTheWire(phase, body);
      if (passed.length !== body.length || passed.some((byte, index) => byte !== body[index])) isChanged = true;
      return passed;
    };
    const verifyCredential = createCredentialVerifier({ provider });
    const hostOf = (keyPair: SignatureKeyPair): AnswerHost => ({
      sign: ({ toBeSigned }) => provider.sign(keyPair, toBeSigned),
      verifyCredential,
      random: bytes,
      now: () => nowMs,
    });
    const context: HopContext = { plane: 'hop', provider, suites: this.#suites, relayIdentity: this.relayIdentity };
    const made: { client?: EstablishedOutput; relay?: EstablishedOutput; isConfirmed?: boolean } = {};
    const common = (): { nonce: Uint8Array; boxRandomness: Uint8Array; nowMs: number } => ({
      nonce: bytes(32),
      boxRandomness: bytes(16),
      nowMs,
    });
    const relay = runResponder(context, hostOf(this.keyPair), {
      output: (output) => {
        switch (output.type) {
          case 'send':
            initiator.feed({ type: 'message', phase: output.phase, body: pass(output.phase, output.body) });
            return undefined;
          case 'consent':
            return {
              type: 'accept',
              suites: output.offer,
              credential: { kind: 'relay', spki: this.keyPair.spki, chain: [new Uint8Array(1)] },
              ...common(),
            };
          case 'authenticated': {
            const claimed = addressFromBytes(concat(fromBase64url(output.identity.id), output.parameters.device!));
            if (claimed !== client.address) throw new Violation(`the relay takes ${client.address} for ${claimed}`);
            return { type: 'finish', name: 'relay', parameters: { label: client.label }, nowMs };
          }
          case 'established':
            made.relay = output;
            return undefined;
          default:
            return undefined;
        }
      },
      failed: () => {},
    });
    const initiator = runInitiator(context, hostOf(client.keyPair), {
      output: (output) => {
        if (output.type === 'send') {
          relay.feed({ type: 'message', phase: output.phase, body: pass(output.phase, output.body) });
        } else if (output.type === 'established') made.client = output;
        else if (output.type === 'confirmed') made.isConfirmed = true;
        return undefined;
      },
      failed: () => {},
    });
    initiator.feed({
      type: 'start',
      ...common(),
      offer: client.suites,
      credential: client.credential,
      name: 'client',
      parameters: { device: addressBytes(client.address).slice(20), label: client.label },
    });
    const isOpen = made.client !== undefined && made.relay !== undefined && made.isConfirmed === true;
    if (isOpen && isChanged) throw new Violation('a hop whose handshake was changed on the wire is open');
    if (!isOpen && !isChanged) throw new Violation('a hop that nobody touched does not open');
    if (isOpen) this.#talk(client, made.client!, made.relay!, nowMs);
    return isOpen ? 'open' : 'refused';
  }

  /** Some records, in order; then one that is not: it ends the hop. */
  #talk(client: Client, own: EstablishedOutput, relay: EstablishedOutput, nowMs: number): void {
    const ends = { client, relayIdentity: this.relayIdentity };
    const sealing = new HopChannel({ ...own, role: 'initiator', ...ends });
    const opening = new HopChannel({ ...relay, role: 'responder', ...ends });
    const { bytes } = this.#chance;
    const sealed: Secure[] = [];
    for (let index = 0; index < 4; index += 1) sealed.push(sealing.seal(Uint8Array.of(index), bytes, nowMs));
    this.records.push(...sealed.slice(0, 2));
    if (this.records.length > 20) this.records.splice(0, 2);
    if (opening.open(sealed[0]!)[0] !== 0) throw new Violation('a hop changes what passes');
    const other = this.#chance.pick(this.records.slice(0, -2)) ?? sealed[0]!;
    const wrong = this.#chance.pick([sealed[0]!, sealed[2]!, sealed[3]!, other])!;
    for (const record of [wrong, sealed[1]!]) {
      let opened: Uint8Array | undefined;
      try {
        opened = opening.open(record);
      } catch (error) {
        if (!(error instanceof SimsError)) throw error;
      }
      if (opened !== undefined) throw new Violation('a hop opens a record out of order, or after one');
    }
  }
}
