/** Drives one end of a conversation from the steps of a vector: by the public machine alone, so that tests replay with it. */
import { hex } from '../../src/bytes.ts';
import type { Suite } from '../../src/crypto/index.ts';
import { messageIdBytes, messageIdFromBytes, parseAddress } from '../../src/messages/index.ts';
import {
  decodeState,
  DEFAULT_OPTIONS,
  encodeState,
  startConversation,
  stepConversation,
  type CloseReason,
  type ContentKind,
  type ConversationContext,
  type ConversationInput,
  type ConversationOutput,
  type ConversationState,
  type RecordMessage,
} from '../../src/session/index.ts';
import { classOf, play, unhex, type Json, type JsonObject, type Player } from './shared.ts';

/** One end's name. */
export type EndName = 'initiator' | 'responder';

/** A participant, as a vector has it. */
export interface ParticipantJson extends JsonObject {
  readonly address: string;
  readonly fingerprint: string;
  readonly label: string;
}

/** What both ends begin with. */
export interface StartJson extends JsonObject {
  readonly 'conversation id': string;
  readonly tr4: string;
  readonly 'x of direction 0': string;
  readonly 'x of direction 1': string;
  readonly 'relay identity': string;
  readonly initiator: ParticipantJson;
  readonly responder: ParticipantJson;
  readonly time: number;
}

/** What an end is told to do. */
export type Act =
  | { readonly do: 'send'; readonly id: string; readonly kind: ContentKind; readonly content: string }
  | { readonly do: 'receive'; readonly record: RecordJson }
  | { readonly do: 'timer' | 'rekey' | 'reconnected' }
  | { readonly do: 'expired'; readonly id: string }
  | { readonly do: 'close'; readonly id: string; readonly reason: CloseReason };

/** A record, as a vector has it. */
export interface RecordJson extends JsonObject {
  readonly type: 'client-com' | 'client-disconnect' | 'ack';
  readonly id?: string;
  readonly 'sa-data': string;
  readonly sealed: string;
}

/** One end, whose randomness is fed. */
export class End {
  state: ConversationState;
  readonly context: ConversationContext;
  readonly #player: Player;

  constructor(state: ConversationState, context: ConversationContext, player: Player) {
    this.state = state;
    this.context = context;
    this.#player = player;
  }

  /** A fresh conversation's end. */
  static start(name: EndName, start: StartJson, suite: Suite): End {
    const player = play();
    const context: ConversationContext = { suite, random: player.random, options: DEFAULT_OPTIONS };
    const participant = ({ address, fingerprint, label }: ParticipantJson) => ({
      address: parseAddress(address),
      fingerprint: unhex(fingerprint),
      label,
    });
    const state = startConversation(
      {
        role: name,
        conversationId: unhex(start['conversation id']),
        finalTranscriptHash: unhex(start.tr4),
        secrets: { initiator: unhex(start['x of direction 0']), responder: unhex(start['x of direction 1']) },
        own: participant(start[name]),
        peer: participant(start[name === 'initiator' ? 'responder' : 'initiator']),
        relayIdentity: unhex(start['relay identity']),
        nowMs: start.time,
      },
      context,
    );
    return new End(state, context, player);
  }

  /** The same end by way of its stored form. */
  copy(): End {
    return new End(
      decodeState(encodeState(this.state), () => this.context.suite),
      this.context,
      this.#player,
    );
  }

  /** Draws that were given and not taken. */
  get left(): number {
    return this.#player.left();
  }

  /** Does one thing; messages that are shown are taken at once. Timers are left out of the outputs. */
  act(act: Act, nowMs: number, draws: readonly string[] = []): ConversationOutput[] {
    this.#player.feed(draws);
    const outputs = this.#step(inputOf(act, nowMs));
    return outputs.filter(({ type }) => type !== 'timer');
  }

  #step(input: ConversationInput): readonly ConversationOutput[] {
    const { state, outputs } = stepConversation(this.state, input, this.context);
    this.state = state;
    for (const output of outputs) if (output.type === 'message') this.#step({ type: 'taken', m: output.message.m });
    return outputs;
  }
}

function inputOf(act: Act, nowMs: number): ConversationInput {
  switch (act.do) {
    case 'send':
      return {
        type: 'send',
        id: messageIdFromBytes(unhex(act.id)),
        kind: act.kind,
        content: unhex(act.content),
        nowMs,
      };
    case 'receive':
      return { type: 'receive', message: messageOf(act.record), nowMs };
    case 'timer':
    case 'reconnected':
      return { type: act.do, nowMs };
    case 'rekey':
      return { type: 'rekey' };
    case 'expired':
      return { type: 'expired', id: messageIdFromBytes(unhex(act.id)), nowMs };
    case 'close':
      return { type: 'close', id: messageIdFromBytes(unhex(act.id)), reason: act.reason, nowMs };
  }
}

function messageOf(record: RecordJson): RecordMessage {
  const bytes = { saData: unhex(record['sa-data']), data: unhex(record.sealed) };
  if (record.type === 'ack') return { type: 'ack', ...bytes };
  return { type: record.type, id: messageIdFromBytes(unhex(record.id!)), ...bytes };
}

/** A record that an end sent, as a vector has it. */
export function recordJson(message: RecordMessage): RecordJson {
  const id = message.type === 'ack' ? {} : { id: hex(messageIdBytes(message.id)) };
  return { type: message.type, ...id, 'sa-data': hex(message.saData!), sealed: hex(message.data!) };
}

/** What came of a step, as a vector has it; `sent` names each record. */
export function outcomeJson(
  outputs: readonly ConversationOutput[],
  sent: (message: RecordMessage) => string,
): readonly Json[] {
  return outputs.flatMap((output): Json[] => {
    switch (output.type) {
      case 'send':
        return [{ sends: sent(output.message) }];
      case 'message': {
        const { m, kind, content, inSightOf } = output.message;
        return [{ shows: m, kind, content: hex(content), 'in sight of': inSightOf }];
      }
      case 'state':
        if (output.state === 'pending') return [];
        return [{ message: hex(messageIdBytes(output.id)), becomes: output.state, reason: output.reason ?? null }];
      case 'consistency': {
        const { consistency, evidence } = output;
        if (evidence === undefined) return [{ history: consistency }];
        const { direction, m, expected, got } = evidence;
        return [{ history: consistency, direction, m, expected: hex(expected), got: hex(got) }];
      }
      case 'dropped':
        return [{ refused: classOf(output.code) }];
      case 'closed':
        return [{ closed: output.reason, by: output.by }];
      case 'timer':
        return [];
    }
  });
}
