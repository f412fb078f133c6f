import { createHash } from 'node:crypto';
import { WorkerPool } from '../lib/pool.ts';
import type { PieceHasher } from './ports.ts';

/** Pieces up to this many bytes are hashed at once: faster than the way to another thread and back. */
const INLINE_BYTES = 64 * 1024;

export interface HashRequest {
  readonly bytes: ArrayBuffer;
}

export interface HashResponse {
  readonly digest: Uint8Array;
  readonly bytes: ArrayBuffer;
}

/** Hashes in the calling thread: for simulation and small pieces. */
export const inlineHasher: PieceHasher = {
  sha1: (data) => Promise.resolve({ digest: createHash('sha1').update(data).digest(), data }),
};

/**
 * Hashes large pieces in `threads` worker threads. A buffer that has its ArrayBuffer for itself moves there and back;
 * another one is hashed here. `close` ends the threads.
 */
export function workerHasher(threads: number): PieceHasher & { close(): Promise<void> } {
  const url = new URL('./hash.worker.ts', import.meta.url);
  const pool = new WorkerPool<HashRequest, HashResponse>({ url, name: 'hash', size: threads });
  return {
    async sha1(data) {
      const bytes = data.buffer;
      const whole = bytes instanceof ArrayBuffer && bytes.byteLength === data.length;
      if (data.length <= INLINE_BYTES || !whole) return inlineHasher.sha1(data);
      const response = await pool.run({ bytes }, [bytes]);
      return { digest: Buffer.from(response.digest), data: Buffer.from(response.bytes) };
    },
    close: () => pool.close(),
  };
}
