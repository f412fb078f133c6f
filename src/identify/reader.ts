import { unlessAborted } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { errorKind, errorMessage } from '../lib/errors.ts';
import {
  MAX_FILE_BYTES,
  MAX_FILE_MILLISECONDS,
  MAX_FILE_READS,
  MAX_FILES,
  MAX_TOTAL_BYTES,
  MAX_TOTAL_MILLISECONDS,
} from './limits.ts';
import type { ParseAnswer, TagParser, TagSource, Tags, Window } from './ports.ts';
import { nextRead } from './windows.ts';

export interface FoundTags {
  /** By source, for the first MAX_FILES; null where there are none. */
  readonly tags: readonly (Tags | null)[];
  /** Why there are none, file by file. */
  readonly notes: readonly string[];
}

/** What reading one torrent's files took so far. */
interface Spent {
  bytes: number;
  milliseconds: number;
}

/** Reads tags of files that may be made to harm: within the limits of limits.ts, parsed wherever `parser` does. */
export class TagReader {
  readonly #parser: TagParser;
  readonly #clock: Clock;

  constructor({ parser, clock }: { parser: TagParser; clock: Clock }) {
    this.#parser = parser;
    this.#clock = clock;
  }

  /**
   * The tags of one torrent's files, one file after the other. A file whose tags cannot be read has none, and a note.
   * Rejects with `cancelled` as soon as the signal aborts, and as a source does when its bytes are `unavailable` now.
   */
  async read(sources: readonly TagSource[], signal: AbortSignal): Promise<FoundTags> {
    const spent: Spent = { bytes: 0, milliseconds: 0 };
    const tags: (Tags | null)[] = [];
    const notes: string[] = [];
    for (const source of sources.slice(0, MAX_FILES)) {
      const found = await unlessAborted(this.#one(source, spent), signal);
      tags.push(typeof found === 'string' ? null : found);
      if (typeof found === 'string') notes.push(`${source.name}: ${found}`);
    }
    if (sources.length > MAX_FILES)
      notes.push(`only the first ${MAX_FILES} of ${sources.length} files are looked into`);
    return { tags, notes };
  }

  /** The tags, or why there are none. */
  async #one(source: TagSource, spent: Spent): Promise<Tags | string> {
    try {
      return await this.#look(source, spent);
    } catch (error) {
      if (['unavailable', 'cancelled'].includes(errorKind(error))) throw error;
      return errorMessage(error);
    }
  }

  async #look({ name, length, read }: TagSource, spent: Spent): Promise<Tags | string> {
    let windows: readonly Window[] = [];
    let bytes = 0;
    const timeOver = spent.milliseconds + MAX_FILE_MILLISECONDS;
    for (let reads = 0; ; reads++) {
      if (spent.milliseconds >= MAX_TOTAL_MILLISECONDS) return 'parsing this torrent takes too long';
      if (spent.milliseconds >= timeOver) return 'parsing it takes too long';
      const answer = await this.#parse({ name, length, windows }, spent);
      const { outcome } = answer;
      if ('tags' in outcome) return outcome.tags;
      if ('fault' in outcome) return outcome.fault;
      if (reads === MAX_FILE_READS) return `its tags need more than ${MAX_FILE_READS} reads`;
      const range = nextRead(outcome.missing, { length, windows: answer.windows, bytesLeft: MAX_FILE_BYTES - bytes });
      if (range === null) return `its tags need more than ${MAX_FILE_BYTES} bytes`;
      if (spent.bytes + range.length > MAX_TOTAL_BYTES)
        return `tags of this torrent need over ${MAX_TOTAL_BYTES} bytes`;
      bytes += range.length;
      spent.bytes += range.length;
      // A copy: a thread takes it.
      const window = { offset: range.offset, bytes: new Uint8Array(await read(range.offset, range.length)) };
      windows = [...answer.windows, window].sort((a, b) => a.offset - b.offset);
    }
  }

  async #parse(request: Parameters<TagParser['parse']>[0], spent: Spent): Promise<ParseAnswer> {
    const began = this.#clock.monotonic();
    try {
      return await this.#parser.parse(request);
    } finally {
      spent.milliseconds += this.#clock.monotonic() - began;
    }
  }
}
