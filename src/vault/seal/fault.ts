import { BaeError } from '../../lib/errors.ts';

/**
 * Why sealed bytes do not open.
 * - wrong-key: whole, but sealed under another key, or for another place, bundle or library (or its header was altered)
 * - altered: the key is right and the bytes are not what was sealed: changed, cut, lengthened or moved
 * - unsupported: a version, suite, segment length or flag that this program does not know
 */
export type SealReason = 'wrong-key' | 'altered' | 'unsupported';

/** A BaeError of kind `corrupt` whose cause carries the reason; `cause` is plain data, so it crosses threads. */
export function sealError(reason: SealReason, message: string): BaeError {
  return new BaeError('corrupt', message, { cause: { reason } });
}

/** The reason of an error made by `sealError`, also after it crossed a thread; null for any other. */
export function sealReason(error: unknown): SealReason | null {
  if (!(error instanceof BaeError) || error.kind !== 'corrupt') return null;
  const cause = error.cause as { reason?: unknown } | null | undefined;
  const reason = cause?.reason;
  return reason === 'wrong-key' || reason === 'altered' || reason === 'unsupported' ? reason : null;
}
