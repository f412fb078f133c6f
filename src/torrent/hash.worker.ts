import { createHash } from 'node:crypto';
import { answerPool } from '../lib/pool.ts';
import type { HashRequest, HashResponse } from './hash.ts';

// SHA-1 of whole pieces, away from the thread that serves peers.
answerPool<HashRequest, HashResponse>(({ bytes }) => {
  const digest = createHash('sha1').update(new Uint8Array(bytes)).digest();
  return { response: { digest, bytes }, transfer: [bytes] };
});
