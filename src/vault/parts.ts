import { BaeError, errorKind } from '../lib/errors.ts';
import { freeMemory } from '../lib/memory.ts';
import type { Random } from '../lib/random.ts';
import type { Bundle, SavedPart } from './bundle.ts';
import { CHUNK_BYTES } from './chunk/index.ts';
import { HEADER_BYTES, SALT_BYTES, SEALED_SEGMENT_BYTES, SEGMENT_BYTES, type Sealer } from './seal/index.ts';
import type { Part, Spool } from './spool.ts';

export interface PartsParts {
  readonly spool: Spool;
  readonly sealer: Sealer;
  readonly random: Random;
  readonly libraryId: Buffer;
}

/** Bytes of the spool file of a part of `length` bytes. */
export function partFileBytes(length: number): number {
  return HEADER_BYTES + length + Math.ceil(length / SEGMENT_BYTES) * (SEALED_SEGMENT_BYTES - SEGMENT_BYTES);
}

/** Runs of unfinished chunks, each sealed alone in the spool until its chunk is sealed. The file is the whole record of it. */
export class Parts {
  readonly #parts: PartsParts;

  constructor(parts: PartsParts) {
    this.#parts = parts;
  }

  /** Saves a run durably; false when the spool has no room for it now. `bytes` stay the caller's. */
  async save(bundle: Bundle, chunkIndex: number, start: number, bytes: Buffer): Promise<boolean> {
    const { spool, sealer, random } = this.#parts;
    const part = { chunkIndex, start, length: bytes.length };
    const fileBytes = partFileBytes(bytes.length);
    if (!spool.tryReservePart(fileBytes)) return false;
    try {
      const salt = random.bytes(SALT_BYTES);
      const sealed = await sealer.sealPiece({ ...this.#ids(bundle, part), salt, plaintext: Buffer.from(bytes) });
      await spool.write(bundle.id, spool.partPath(bundle.id, part), sealed).finally(() => freeMemory(sealed));
    } catch (error) {
      spool.releasePart(fileBytes);
      throw error;
    }
    bundle.addPart({ ...part, fileBytes });
    return true;
  }

  /**
   * Reads [start, end) of a chunk into `target`, which begins at the chunk's byte `targetStart`. A part that does not open is
   * forgotten, and its bundle's listeners are told; then `corrupt` or `missing`.
   */
  async load(
    bundle: Bundle,
    chunkIndex: number,
    start: number,
    end: number,
    target: Buffer,
    targetStart: number,
  ): Promise<void> {
    let at = start;
    while (at < end) {
      const part = bundle.parts.get(chunkIndex)?.find((found) => found.start <= at && at < found.start + found.length);
      if (part === undefined) throw new BaeError('missing', 'Bytes of an unfinished chunk are not in the spool.');
      const stop = Math.min(end, part.start + part.length);
      const bytes = await this.#open(bundle, part);
      bytes.copy(target, at - targetStart, at - part.start, stop - part.start);
      freeMemory(bytes);
      at = stop;
    }
  }

  /** Deletes all parts of a chunk: it is sealed whole. */
  async drop(bundle: Bundle, chunkIndex: number): Promise<void> {
    const { spool } = this.#parts;
    const parts = bundle.parts.get(chunkIndex) ?? [];
    bundle.parts.delete(chunkIndex);
    for (const part of parts) {
      await spool.remove(spool.partPath(bundle.id, part)).finally(() => spool.releasePart(part.fileBytes));
    }
  }

  async #open(bundle: Bundle, part: SavedPart): Promise<Buffer> {
    const { spool, sealer } = this.#parts;
    const path = spool.partPath(bundle.id, part);
    try {
      const bytes = await sealer.openPieceFile({ ...this.#ids(bundle, part), path });
      if (bytes.length !== part.length)
        throw new BaeError('corrupt', 'A sealed part has another length than its name says.');
      return bytes;
    } catch (error) {
      const kind = errorKind(error);
      if (kind === 'corrupt' || kind === 'missing') await this.#forget(bundle, part);
      throw error;
    }
  }

  async #forget(bundle: Bundle, part: SavedPart): Promise<void> {
    const { spool } = this.#parts;
    const parts = bundle.parts.get(part.chunkIndex);
    if (parts === undefined || !parts.includes(part)) return;
    parts.splice(parts.indexOf(part), 1);
    bundle.tellLost(part.chunkIndex);
    await spool.remove(spool.partPath(bundle.id, part)).finally(() => spool.releasePart(part.fileBytes));
  }

  /** A part is named by where in the bundle's stream it starts. */
  #ids(bundle: Bundle, part: Part) {
    const { libraryId } = this.#parts;
    const number = part.chunkIndex * CHUNK_BYTES + part.start;
    return { bundleKey: bundle.key, libraryId, bundleId: bundle.bundleId, number };
  }
}
