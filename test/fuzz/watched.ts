// What a thread is reading just now, in memory that it shares with who watches it.

/** What a thread is told to do. */
export interface Order {
  /** The target's. */
  readonly name: string;
  /** The URL of the module that has it among its TARGETS. */
  readonly module: string;
  readonly milliseconds: number;
  readonly seed: number;
  readonly shared: SharedArrayBuffer;
  /** In place of fuzzing, these are searched for what the corpus should have; null: fuzz. */
  readonly distilled: readonly Uint8Array[] | null;
}

const HEAD_BYTES = 8;
/** Of longer inputs the beginning is shown. */
const INPUT_BYTES = 256 * 1024;

export const newShared = () => new SharedArrayBuffer(HEAD_BYTES + INPUT_BYTES);

export function writeInput(shared: SharedArrayBuffer, input: Buffer): void {
  const length = Math.min(input.length, INPUT_BYTES);
  new Uint8Array(shared, HEAD_BYTES, length).set(input.subarray(0, length));
  const head = new Uint32Array(shared, 0, 2);
  head[1] = length;
  Atomics.add(head, 0, 1);
}

/** How many inputs were begun, and the last of them. */
export function readInput(shared: SharedArrayBuffer): { count: number; input: Buffer } {
  const head = new Uint32Array(shared, 0, 2);
  return { count: Atomics.load(head, 0), input: Buffer.from(shared, HEAD_BYTES, head[1]) };
}
