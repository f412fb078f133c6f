// A thread of the sealer's pool.
import { answerPool } from '../../lib/pool.ts';
import { readFileRange } from './file-range.ts';
import { answerSeal, type SealRequest, type SealResponse } from './sealer.ts';

answerPool<SealRequest, SealResponse>((request) => {
  const response = answerSeal(request, readFileRange);
  return { response, transfer: response.map((bytes) => bytes.buffer as ArrayBuffer) };
});
