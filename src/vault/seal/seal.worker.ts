// A thread of the sealer's pool.
import { freeMemory } from '../../lib/memory.ts';
import { answerPool } from '../../lib/pool.ts';
import { readFileRange } from './file-range.ts';
import { answerSeal, type SealRequest, type SealResponse } from './sealer.ts';

answerPool<SealRequest, SealResponse>((request) => {
  const response = answerSeal(request, readFileRange);
  freeMoved(request);
  return { response, transfer: response.map((bytes) => bytes.buffer as ArrayBuffer) };
});

/** What was moved here to be read, and does not go back. */
function freeMoved(request: SealRequest): void {
  if (request.op === 'seal' || request.op === 'sealPiece') freeMemory(request.job.plaintext);
  if (request.op === 'open') freeMemory(request.job.sealed);
}
