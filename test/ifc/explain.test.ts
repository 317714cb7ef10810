import { describe, expect, it } from 'vitest';
import {
  bellLaPadula,
  biba,
  explainFlow,
  FLOW_KINDS,
  parseLabel,
  type FlowKind,
  type Policy,
} from '../../src/ifc/index.ts';
import { clinic, everyLabel } from './lattices.ts';

const at = (text: string): ReturnType<typeof parseLabel> => parseLabel(clinic, text);
const plain = bellLaPadula(clinic);
const explain = (from: string, to: string, kind: FlowKind, policy: Policy = plain): readonly string[] =>
  explainFlow(policy, { from: at(from), to: at(to), kind }).sentences;

describe('explainFlow', () => {
  it('explains a conversation', () => {
    expect(explain('staff', 'staff', 'message')).toEqual([
      'A message may go from staff to staff: both are at one label.',
      'The labels are equal.',
      'Sessions at staff and staff converse.',
    ]);
  });

  it('explains a write-up, and that its delivery stays unknown', () => {
    expect(explain('open', 'staff', 'message')).toEqual([
      'A message may go from open to staff: staff dominates open.',
      'staff dominates open.',
      'One way only: sessions at open can write to staff, and never learn whether it was delivered.',
    ]);
  });

  it('explains a denial, what the wire shows of it and that it is written down', () => {
    expect(explain('secret', 'open', 'ack')).toEqual([
      'An acknowledgement may not go from secret to open: that would be writing down (no write down).',
      'secret dominates open, not the other way round.',
      'The rule that denies it is star-property.',
      'One way only: sessions at open can write to secret, and never learn whether it was delivered.',
      'On the wire the answer is the same as for somebody who does not exist.',
      'It is written to the audit log.',
    ]);
  });

  it('reads from the object to the subject: from is who is listed, to is who asks', () => {
    expect(explain('open', 'secret', 'list')[0]).toBe(
      'An entry of the list may go from open to secret: secret dominates open.',
    );
    expect(explain('secret', 'open', 'list')[0]).toContain('may not go from secret to open');
  });

  it('names what labels apart lack', () => {
    const sentences = explain('secret{oncology}', 'staff{cardiology}', 'message');
    expect(sentences).toContain(
      'Neither label dominates the other: staff{cardiology} lacks the level secret, oncology, and secret{oncology} lacks cardiology.',
    );
    expect(sentences).toContain('Sessions at secret{oncology} and staff{cardiology} cannot reach each other.');
  });

  it('names the exemptions that would permit it, without the ids of their subjects', () => {
    const exemptions = [
      {
        name: 'duty-desk',
        subjects: ['A'.repeat(27)],
        kinds: ['message' as const],
        lowest: at('open'),
        highest: at('secret'),
      },
      { name: 'other', subjects: ['B'.repeat(27)], kinds: ['ack' as const], lowest: at('open'), highest: at('secret') },
    ];
    const sentences = explain('secret', 'open', 'message', bellLaPadula(clinic, { exemptions })).join('\n');
    expect(sentences).toContain('The exemption duty-desk permits it to one trusted client');
    expect(sentences).not.toMatch(/other permits|AAAA/);
  });

  it('agrees with the decision, for every flow', () => {
    for (const policy of [plain, biba(clinic)]) {
      for (const kind of FLOW_KINDS) {
        for (const from of everyLabel(clinic)) {
          const to = at('staff{oncology}');
          const { decision, sentences } = explainFlow(policy, { from, to, kind });
          expect([decision.from, decision.to]).toEqual([from, to]);
          expect(sentences[0]!.includes('may not')).toBe(!decision.permit);
          for (const sentence of sentences) expect(sentence).toMatch(/^[^]+\.$/);
        }
      }
    }
  });
});
