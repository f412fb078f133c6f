import { createHash } from 'node:crypto';
import { linkSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { WorkerPool } from '../../lib/pool.ts';
import { seededRandom } from '../../lib/random.ts';
import {
  CHUNK_OBJECT_BYTES,
  inlineSealer,
  openChunk,
  SEAL_WORKER_URL,
  SEGMENT_BYTES,
  type SealRequest,
  type SealResponse,
  sealFiles,
  sealReason,
  segmentRange,
  sharedChunk,
  sharedSegment,
  workerSealer,
} from './index.ts';

const random = seededRandom(7);
const folder = mkdtempSync(join(tmpdir(), 'bae-sealer-'));
const pool = new WorkerPool<SealRequest, SealResponse>({ url: SEAL_WORKER_URL, name: 'seal', size: 1 });
afterAll(async () => {
  await pool.close();
  rmSync(folder, { recursive: true });
});

const ids = { bundleKey: random.bytes(32), libraryId: random.bytes(16), bundleId: random.bytes(16), chunkIndex: 3 };
const content = random.bytes(700_000);
const padded = Buffer.alloc(1_048_576);
content.copy(padded);

describe.each([
  ['inline', inlineSealer(sealFiles)],
  ['worker', workerSealer(pool)],
])('%s sealer', (kind, sealer) => {
  it('seals, names, and opens from bytes and from a file', async () => {
    const salt = random.bytes(24);
    const path = join(folder, kind);
    const plaintext = sharedChunk().subarray(0, content.length);
    plaintext.set(content);
    // A file of that name stays as it is under its other names.
    writeFileSync(path, 'other');
    linkSync(path, `${path}-other`);
    const name = await sealer.sealFile({ ...ids, salt, plaintext, path });
    expect(readFileSync(`${path}-other`, 'utf8')).toBe('other');
    expect(plaintext.equals(content)).toBe(true);
    const object = readFileSync(path);
    expect(object.length).toBe(CHUNK_OBJECT_BYTES);
    expect(name.equals(createHash('sha256').update(object).digest())).toBe(true);
    expect(openChunk(object, ids).equals(padded)).toBe(true);

    const { offset, length } = segmentRange(1, 3);
    const sealed = Buffer.from(object.subarray(offset, offset + length));
    const two = [sharedSegment(), sharedSegment()];
    await sealer.open({ ...ids, salt, firstSegment: 1, sealed, into: two });
    expect(Buffer.concat(two).equals(padded.subarray(SEGMENT_BYTES, 3 * SEGMENT_BYTES))).toBe(true);

    const four = Array.from({ length: 4 }, sharedSegment);
    await sealer.openFile({ ...ids, salt, path, firstSegment: 0, endSegment: 4, into: four });
    expect(Buffer.concat(four).equals(padded)).toBe(true);
  });

  it('tells a wrong key, altered bytes, a cut file and a missing one apart', async () => {
    const salt = random.bytes(24);
    const path = join(folder, `${kind}-bad`);
    await sealer.sealFile({ ...ids, salt, plaintext: Buffer.from(content), path });
    const object = readFileSync(path);
    const range = { path, salt, firstSegment: 2, endSegment: 3, into: [sharedSegment()] };
    const failure = (job: Promise<unknown>) =>
      job.then(
        () => null,
        (error) => [error.kind, sealReason(error)],
      );
    expect(await failure(sealer.openFile({ ...ids, ...range, chunkIndex: 4 }))).toEqual(['corrupt', 'wrong-key']);
    object[600_000] = (object[600_000] as number) ^ 1;
    writeFileSync(path, object);
    expect(await failure(sealer.openFile({ ...ids, ...range }))).toEqual(['corrupt', 'altered']);
    writeFileSync(path, object.subarray(0, 600_000));
    expect(await failure(sealer.openFile({ ...ids, ...range }))).toEqual(['corrupt', 'altered']);
    expect(await failure(sealer.openFile({ ...ids, ...range, path: `${path}-none` }))).toEqual(['missing', null]);
  });

  it('seals a piece alone and hashes', async () => {
    const piece = { bundleKey: ids.bundleKey, libraryId: ids.libraryId, bundleId: ids.bundleId, number: 12 };
    const sealed = await sealer.sealPiece({ ...piece, salt: random.bytes(24), plaintext: Buffer.from(content) });
    const path = join(folder, `${kind}-piece`);
    writeFileSync(path, sealed);
    expect((await sealer.openPieceFile({ ...piece, path })).equals(content)).toBe(true);
    const { digest, data } = await sealer.sha256(Buffer.from(content.subarray(5, 100)));
    expect(digest.equals(createHash('sha256').update(data).digest())).toBe(true);
    expect(data.equals(content.subarray(5, 100))).toBe(true);
  });
});
