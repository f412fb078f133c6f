import { parseFromTokenizer } from 'music-metadata';
import { errorMessage } from '../lib/errors.ts';
import { MAX_TEXT_LENGTH } from './limits.ts';
import { oggSeconds } from './ogg.ts';
import type { ParseOutcome, ParseRequest, TagParser } from './ports.ts';
import { oneLine, tagsOf } from './tags.ts';
import { WindowTokenizer } from './tokenizer.ts';

/**
 * The tags of a file, from as much of it as was read: FLAC, MP3, Ogg, MPEG-4 and what else music-metadata knows, told by the
 * name's ending, or else by the first bytes. Pictures are skipped. Never rejects.
 */
export async function parseTags(request: ParseRequest): Promise<ParseOutcome> {
  const tokenizer = new WindowTokenizer(request);
  let outcome: ParseOutcome;
  try {
    const { common, format } = await parseFromTokenizer(tokenizer, { skipCovers: true });
    const tags = tagsOf(common, format.duration ?? (await oggSeconds(tokenizer, format)));
    outcome = Object.keys(tags).length === 0 ? { fault: 'it has no tags' } : { tags };
  } catch (error) {
    outcome = { fault: oneLine(errorMessage(error)) ?? `unreadable (more than ${MAX_TEXT_LENGTH} blanks)` };
  }
  return tokenizer.missing === null ? outcome : { missing: tokenizer.missing };
}

/** Parses in the calling thread: for tests. */
export const inlineTagParser: TagParser = {
  parse: async (request) => ({ outcome: await parseTags(request), windows: request.windows }),
  close: async () => undefined,
};
