import type { Clock } from '../lib/clock.ts';
import { WorkerPool } from '../lib/pool.ts';
import { IDLE_MILLISECONDS, MAX_FILE_MILLISECONDS, MAX_HEAP_MEBIBYTES } from './limits.ts';
import type { ParseAnswer, ParseRequest, TagParser } from './ports.ts';

/** Parses in one thread, which is ended when a file takes it too long or too much memory. `close` ends it too. */
export function workerTagParser(clock: Clock): TagParser {
  const pool = new WorkerPool<ParseRequest, ParseAnswer>({
    url: new URL('./tags.worker.ts', import.meta.url),
    name: 'tags',
    size: 1,
    limits: {
      clock,
      milliseconds: MAX_FILE_MILLISECONDS,
      idleMilliseconds: IDLE_MILLISECONDS,
      heapMebibytes: MAX_HEAP_MEBIBYTES,
    },
  });
  return {
    parse: (request) =>
      pool.run(
        request,
        request.windows.map(({ bytes }) => bytes.buffer),
      ),
    close: () => pool.close(),
  };
}
