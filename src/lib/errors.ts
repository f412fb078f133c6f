/**
 * The few kinds of error bae knows. Where an error arises, its kind and whether trying again can help are decided; each
 * edge (exit code, HTTP status) maps kinds once.
 *
 * - bad-input: what was given cannot be used (a malformed torrent, an unknown key)
 * - not-found: nothing has that id
 * - refused: understood, and not allowed now (port in use, no room for a pin, a second writer)
 * - unavailable: a store, database or network does not answer now; retry
 * - corrupt: bytes are there and are not what was written
 * - missing: bytes that should be there are not
 * - cancelled: somebody called it off
 * - failed: the rest
 */
export type ErrorKind =
  | 'bad-input'
  | 'not-found'
  | 'refused'
  | 'unavailable'
  | 'corrupt'
  | 'missing'
  | 'cancelled'
  | 'failed';

/** An error whose message is one clear sentence for a person, free of secrets. */
export class BaeError extends Error {
  readonly kind: ErrorKind;
  /** Whether the same call may succeed later with nothing changed by a person. */
  readonly retryable: boolean;

  constructor(kind: ErrorKind, message: string, options: { cause?: unknown; retryable?: boolean } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'BaeError';
    this.kind = kind;
    this.retryable = options.retryable ?? kind === 'unavailable';
  }
}

/** The kind of any thrown value: a BaeError's own, 'failed' for everything else. */
export function errorKind(error: unknown): ErrorKind {
  return error instanceof BaeError ? error.kind : 'failed';
}

/** One line for a person from any thrown value. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
