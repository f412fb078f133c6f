import { answerPool } from '../lib/pool.ts';
import { parseTags } from './parse.ts';
import type { ParseAnswer, ParseRequest } from './ports.ts';

// Hostile files are parsed away from the thread that serves peers, where they can be ended.
answerPool<ParseRequest, ParseAnswer>(async (request) => {
  const { windows } = request;
  const outcome = await parseTags(request);
  return { response: { outcome, windows }, transfer: windows.map(({ bytes }) => bytes.buffer) };
});
