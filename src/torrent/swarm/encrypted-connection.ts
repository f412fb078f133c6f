import type { Connection, ConnectionHandlers } from '../ports.ts';
import type { Rc4Streams } from '../wire/index.ts';
import type { Slabs } from './batch.ts';

/** Up to this many bytes are copied into memory of their own; more go into slabs, which are larger and used again. */
const SMALL_BYTES = 131_072;

/** A connection whose bytes are RC4 in both directions (MSE). Those that agreed on plaintext are never wrapped in one. */
export class EncryptedConnection implements Connection, ConnectionHandlers {
  /** What is written may be lent by the store or go to other peers too: it is encrypted in a copy. */
  readonly copies = true;
  readonly encryption = 'rc4';
  readonly #inner: Connection;
  readonly #streams: Rc4Streams;
  readonly #slabs: Slabs;
  #handlers: ConnectionHandlers | null = null;

  constructor(inner: Connection, streams: Rc4Streams, slabs: Slabs) {
    this.#inner = inner;
    this.#streams = streams;
    this.#slabs = slabs;
  }

  get remoteAddress(): string {
    return this.#inner.remoteAddress;
  }

  get remotePort(): number {
    return this.#inner.remotePort;
  }

  get queuedBytes(): number {
    return this.#inner.queuedBytes;
  }

  get handlers(): ConnectionHandlers | null {
    return this.#handlers;
  }

  set handlers(handlers: ConnectionHandlers | null) {
    this.#handlers = handlers;
    this.#inner.handlers = handlers === null ? null : this;
  }

  write(buffers: readonly Buffer[], written?: () => void): void {
    const { encrypt } = this.#streams;
    let bytes = 0;
    for (const buffer of buffers) bytes += buffer.length;
    if (bytes <= SMALL_BYTES) {
      this.#inner.write([encrypt.apply(Buffer.concat(buffers, bytes))], written);
      return;
    }
    const slabs: Buffer[] = [];
    const parts = this.#fill(slabs, buffers);
    for (const part of parts) encrypt.apply(part);
    this.#inner.write(parts, () => {
      for (const slab of slabs) this.#slabs.give(slab);
      written?.();
    });
  }

  pause(): void {
    this.#inner.pause();
  }

  resume(): void {
    this.#inner.resume();
  }

  destroy(): void {
    this.#inner.destroy();
  }

  data(chunk: Buffer): void {
    this.#handlers?.data(this.#streams.decrypt.apply(chunk));
  }

  drained(): void {
    this.#handlers?.drained();
  }

  closed(error?: Error): void {
    this.#handlers?.closed(error);
  }

  /** Copies the buffers into as many slabs as they need; returns what is filled of each. */
  #fill(slabs: Buffer[], buffers: readonly Buffer[]): Buffer[] {
    const parts: Buffer[] = [];
    let slab = this.#slabs.take();
    let used = 0;
    slabs.push(slab);
    for (const buffer of buffers) {
      for (let at = 0; at < buffer.length; ) {
        if (used === slab.length) {
          parts.push(slab);
          slab = this.#slabs.take();
          used = 0;
          slabs.push(slab);
        }
        const copied = buffer.copy(slab, used, at);
        used += copied;
        at += copied;
      }
    }
    parts.push(slab.subarray(0, used));
    return parts;
  }
}
