import { CommanderError } from 'commander';
import { BaeError, type ErrorKind, errorMessage } from '../lib/errors.ts';
import { NoServerError } from './client.ts';
import { clean } from './print.ts';

/** The documented exit codes (docs/operating.md). */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  refused: 4,
  noServer: 5,
  unreachable: 6,
  badInput: 7,
} as const;

const BY_KIND: Record<ErrorKind, number> = {
  'bad-input': EXIT.badInput,
  'not-found': EXIT.notFound,
  refused: EXIT.refused,
  unavailable: EXIT.unreachable,
  corrupt: EXIT.failed,
  missing: EXIT.failed,
  cancelled: EXIT.failed,
  failed: EXIT.failed,
};

/** The exit code of any thrown value. */
export function exitCode(error: unknown): number {
  if (error instanceof NoServerError) return EXIT.noServer;
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  return error instanceof BaeError ? BY_KIND[error.kind] : EXIT.failed;
}

/** What a person reads: one sentence on standard error, or one object with --json. */
export function printError(error: unknown, json: boolean): void {
  const { kind, message } = told(error);
  process.stderr.write(json ? `${JSON.stringify({ error: { kind, message } })}\n` : `bae: ${clean(message)}\n`);
}

function told(error: unknown): { kind: string; message: string } {
  if (error instanceof CommanderError) return { kind: 'usage', message: usageSentence(error.message) };
  if (error instanceof NoServerError) return { kind: 'no-server', message: error.message };
  if (error instanceof BaeError) return { kind: error.kind, message: error.message };
  return { kind: 'failed', message: `Something went wrong inside bae (${errorMessage(error)}).` };
}

/** Commander says `error: unknown option '--lisen'`, a full stop at times, and a second line `(Did you mean --listen?)`. */
function usageSentence(said: string): string {
  const [problem = '', hint] = said.replace(/^error: /, '').split('\n');
  const plain = problem.replace(/\. Expected (.*?)\.?$/, ' (expected $1)').replace(/\.$/, '');
  const words = plain.charAt(0).toUpperCase() + plain.slice(1);
  const advice = hint === undefined ? 'see "bae --help"' : hint.replace(/^\(D(.*)\?\)$/, 'd$1');
  return `${words}: ${advice}${hint === undefined ? '.' : '?'}`;
}
