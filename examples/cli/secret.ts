/** Asks for a PIN or a password in the terminal, without showing it. */
import { SimsError } from '../../src/index.node.ts';

const ENTER = ['\r', '\n', '\u0004'];
const INTERRUPT = '\u0003';
const BACKSPACE = ['\u007f', '\b'];

/**
 * The line that a person types; `undefined` when they cancel with Ctrl+C.
 *
 * @throws `card/pin-required` where there is no terminal
 */
export async function askSecret(question: string, signal?: AbortSignal): Promise<string | undefined> {
  const { stdin, stderr } = process;
  if (!stdin.isTTY) {
    throw new SimsError('card/pin-required', `${question}: there is no terminal to ask in`);
  }
  stderr.write(`${question}: `);
  const wasRaw = stdin.isRaw;
  stdin.setRawMode(true);
  stdin.resume();
  try {
    return await typedLine(signal);
  } finally {
    stdin.setRawMode(wasRaw);
    stdin.pause();
    stderr.write('\n');
  }
}

function typedLine(signal: AbortSignal | undefined): Promise<string | undefined> {
  const { stdin } = process;
  return new Promise((resolve) => {
    let typed = '';
    const finish = (answer: string | undefined): void => {
      stdin.removeListener('data', take);
      signal?.removeEventListener('abort', cancel);
      resolve(answer);
    };
    const cancel = (): void => finish(undefined);
    const take = (chunk: Buffer): void => {
      for (const character of chunk.toString('utf8')) {
        if (character === INTERRUPT) return finish(undefined);
        if (ENTER.includes(character)) return finish(typed);
        typed = BACKSPACE.includes(character) ? Array.from(typed).slice(0, -1).join('') : typed + character;
      }
    };
    stdin.on('data', take);
    signal?.addEventListener('abort', cancel, { once: true });
    if (signal?.aborted === true) cancel();
  });
}
