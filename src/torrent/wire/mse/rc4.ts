import { RC4_MODULE } from './rc4-module.ts';

/** What this file uses of WebAssembly; TypeScript knows it from browsers only. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
  ) => { readonly exports: { readonly memory: { readonly buffer: ArrayBuffer }; run(length: number): void } };
};

/** Bytes of the key stream that MSE throws away. */
const DISCARDED_BYTES = 1_024;
/** The permutation, i and j. */
const STATE_BYTES = 258;
const DATA_START = 1_024;

// One machine for all streams: a stream's state is put in before its bytes and taken out after, in the same turn.
const machine = new WebAssembly.Instance(new WebAssembly.Module(RC4_MODULE)).exports;
const memory = new Uint8Array(machine.memory.buffer);
const DATA_BYTES = memory.length - DATA_START;

/** One direction of an RC4 stream, as MSE uses it: without its first 1,024 bytes. */
export class Rc4 {
  readonly #state = new Uint8Array(STATE_BYTES);

  constructor(key: Uint8Array) {
    schedule(this.#state, key);
    this.apply(Buffer.alloc(DISCARDED_BYTES));
  }

  /** Encrypts or decrypts the next bytes of the stream where they lie; returns them. */
  apply(bytes: Buffer): Buffer {
    if (bytes.length === 0) return bytes;
    memory.set(this.#state);
    for (let at = 0; at < bytes.length; at += DATA_BYTES) {
      const part = bytes.subarray(at, at + DATA_BYTES);
      memory.set(part, DATA_START);
      machine.run(part.length);
      part.set(memory.subarray(DATA_START, DATA_START + part.length));
    }
    this.#state.set(memory.subarray(0, STATE_BYTES));
    return bytes;
  }
}

/** RC4's key schedule; i and j stay 0. */
function schedule(state: Uint8Array, key: Uint8Array): void {
  for (let at = 0; at < 256; at++) state[at] = at;
  for (let at = 0, other = 0; at < 256; at++) {
    const value = state[at] as number;
    other = (other + value + (key[at % key.length] as number)) & 255;
    state[at] = state[other] as number;
    state[other] = value;
  }
}
