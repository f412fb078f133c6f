import type { Clock } from './clock.ts';
import { errorMessage } from './errors.ts';
import type { Log } from './log.ts';

/** Ends one part. */
export type Closer = () => Promise<void> | void;

/**
 * Calls them one after the other, the last first, and empties the list; one that fails does not keep the others from it.
 * Resolves when all are done or the time is over. Never rejects.
 */
export async function closeAll(
  closers: Closer[],
  { clock, log, milliseconds }: { clock: Clock; log: Log; milliseconds: number },
): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = clock.after(milliseconds, () => late.resolve());
  const all = async () => {
    for (let close = closers.pop(); close !== undefined; close = closers.pop()) {
      try {
        await close();
      } catch (error) {
        log.error('a part did not close well', { reason: errorMessage(error) });
      }
    }
  };
  await Promise.race([all(), late.promise]);
  timer.cancel();
}
