// Content that gives itself away: noise with a known text every few KiB, so that any of it left in clear is found by a search.
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { noise } from './content.ts';

/** Stands in every 4 KiB of marked content. */
export const MARK = Buffer.from('bae-plaintext-must-never-be-seen-at-rest');
const MARK_EVERY_BYTES = 4096;

function* marked(seed: string, length: number): Generator<Buffer> {
  for (const part of noise(seed, length)) {
    for (let at = 0; at + MARK.length <= part.length; at += MARK_EVERY_BYTES) MARK.copy(part, at);
    yield part;
  }
}

/** Writes files of marked noise under `folder`; paths are relative, with `/`. */
export async function makeMarked(
  folder: string,
  files: readonly { path: string; length: number }[],
  seed = 'marked',
): Promise<void> {
  for (const file of files) {
    const path = `${folder}/${file.path}`;
    await mkdir(dirname(path), { recursive: true });
    await pipeline(Readable.from(marked(`${seed}/${file.path}`, file.length)), createWriteStream(path));
  }
}
