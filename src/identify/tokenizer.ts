import { AbstractTokenizer, EndOfStreamError, type IRandomAccessTokenizer, type IReadChunkOptions } from 'strtok3';
import { MAX_FILE_BYTES } from './limits.ts';
import type { ParseRequest, Window } from './ports.ts';

/** A parser asked for bytes that were not read yet. */
class MissingBytes extends Error {}

/**
 * Lets a parser read a file of which only some windows are there. At the first byte that is not, `missing` says which were
 * asked for, and from then on every read fails, whatever the parser makes of that.
 */
export class WindowTokenizer extends AbstractTokenizer implements IRandomAccessTokenizer {
  readonly fileInfo: { readonly size: number; readonly path: string };
  readonly #windows: readonly Window[];
  #missing: { offset: number; length: number } | null = null;

  constructor({ name, length, windows }: ParseRequest) {
    super({ maxBufferSize: MAX_FILE_BYTES });
    this.fileInfo = { size: length, path: name };
    this.#windows = windows;
  }

  get missing(): { readonly offset: number; readonly length: number } | null {
    return this.#missing;
  }

  supportsRandomAccess(): boolean {
    return true;
  }

  setPosition(position: number): void {
    this.validateLength(position, 'position');
    this.position = position;
  }

  async readBuffer(target: Uint8Array, options?: IReadChunkOptions): Promise<number> {
    const { position } = this.normalizeOptions(target, options);
    const count = await this.peekBuffer(target, options);
    this.position = position + count;
    return count;
  }

  async peekBuffer(target: Uint8Array, options?: IReadChunkOptions): Promise<number> {
    const { length, position, mayBeLess } = this.normalizeOptions(target, options);
    const count = Math.max(0, Math.min(length, this.fileInfo.size - position));
    if (count < length && !mayBeLess) throw new EndOfStreamError();
    this.#copy(target, position, count);
    return count;
  }

  #copy(target: Uint8Array, position: number, count: number): void {
    const end = position + count;
    let at = position;
    for (const { offset, bytes } of this.#windows) {
      if (at >= end || offset > at) break;
      const part = bytes.subarray(at - offset, end - offset);
      target.set(part, at - position);
      at += part.length;
    }
    if (at < end) this.#missing ??= { offset: at, length: end - at };
    if (this.#missing !== null) throw new MissingBytes('these bytes were not read yet');
  }
}
