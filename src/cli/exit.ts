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
  return error instanceof BaeError ? BY_KIND[error.kind] : EXIT.failed;
}

/** What a person reads: one sentence on standard error, or one object with --json. */
export function printError(error: unknown, json: boolean): void {
  const known = error instanceof BaeError || error instanceof NoServerError;
  const message = known ? error.message : `Something went wrong inside bae (${errorMessage(error)}).`;
  const kind = error instanceof NoServerError ? 'no-server' : error instanceof BaeError ? error.kind : 'failed';
  process.stderr.write(json ? `${JSON.stringify({ error: { kind, message } })}\n` : `bae: ${clean(message)}\n`);
}
