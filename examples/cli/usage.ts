/** What is said when a command line cannot be understood, and the parser that says it. */
import { parseArgs, type ParseArgsConfig } from 'node:util';

/** The command line cannot be understood: exit 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** @throws UsageError */
export function parsed<Options extends NonNullable<ParseArgsConfig['options']>>(config: {
  readonly args: readonly string[];
  readonly options: Options;
}): ReturnType<typeof parseArgs<{ options: Options; allowPositionals: true }>> {
  try {
    return parseArgs({ args: [...config.args], options: config.options, allowPositionals: true });
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}

/** What somebody typed, short and without control characters. */
export function printable(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
