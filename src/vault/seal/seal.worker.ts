// A thread of the sealer's pool.
import { freeMemory } from '../../lib/memory.ts';
import { answerPool } from '../../lib/pool.ts';
import { sealFiles } from './files.ts';
import { CHUNK_OBJECT_BYTES } from './layout.ts';
import { answerSeal, type SealRequest, type SealResponse } from './sealer.ts';

/** Its files are written by calls that block, so the object of one request is gone before the next begins. */
const scratch = Buffer.allocUnsafeSlow(CHUNK_OBJECT_BYTES);

answerPool<SealRequest, SealResponse>(async (request) => {
  const response = await answerSeal(request, sealFiles, scratch);
  freeMoved(request);
  return { response, transfer: response.map((bytes) => bytes.buffer as ArrayBuffer) };
});

/** What was moved here to be read, and does not go back. */
function freeMoved(request: SealRequest): void {
  if (request.op === 'sealFile' || request.op === 'sealPiece') freeMemory(request.job.plaintext);
  if (request.op === 'open') freeMemory(request.job.sealed);
}
