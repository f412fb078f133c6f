import { BaeError } from './errors.ts';

/**
 * The work's result, or a rejection with `cancelled` as soon as the signal aborts; the work itself goes on, and what it
 * gives then is `tooLate`'s to put away.
 */
export function unlessAborted<Result>(
  work: Promise<Result>,
  signal: AbortSignal | undefined,
  tooLate: (result: Result) => void = () => undefined,
): Promise<Result> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const abort = () => reject(new BaeError('cancelled', 'It was called off.', { cause: signal.reason }));
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
    work
      .then((result) => (signal.aborted ? tooLate(result) : resolve(result)), reject)
      .finally(() => signal.removeEventListener('abort', abort));
  });
}
