/** One object as a listing tells it. */
export interface ObjectInfo {
  name: string;
  /** Bytes. */
  size: number;
}

export interface PutOptions {
  /** Store only if nothing has that name yet (S3: `If-None-Match: *`). */
  ifAbsent?: boolean | undefined;
  /** SHA-256 of the body (32 bytes) where the caller has it already; saves hashing it again. */
  sha256?: Buffer | undefined;
  signal?: AbortSignal | undefined;
}

export interface GetOptions {
  /** Only these bytes: offset ≥ 0, length ≥ 1. */
  range?: { offset: number; length: number } | undefined;
  signal?: AbortSignal | undefined;
}

export interface CallOptions {
  signal?: AbortSignal | undefined;
}

/**
 * Where sealed objects live: names and bytes, nothing else. Every implementation meets this contract and runs
 * `conformance.ts`; retry, metering and faults are decorators over it.
 *
 * - A name has 1 to 512 of `a-z 0-9 . _ / -`, with no empty, `.` or `..` part between slashes; others are `bad-input`. No
 *   name is a folder of another (`a` and `a/b`).
 * - A body is at most `MAX_OBJECT_BYTES`; a larger one is `bad-input`.
 * - Atomic: a reader sees a whole body or none, also when the writer dies midway. Of concurrent puts of one name one body
 *   wins; with `ifAbsent` exactly one is told 'stored' and its body stays.
 * - Durable: when put or delete has resolved, a power cut does not undo it.
 * - Read-after-write: when put or delete has resolved, every later get, head and list shows it.
 * - Verified: a put whose bytes do not arrive as `sha256` says never resolves 'stored'.
 * - Errors are BaeErrors: `missing` (no such object), `corrupt` (shorter than asked, or not what was sent), `unavailable`
 *   (try again), `refused` (keys or permissions; a person must act), `cancelled` (the signal), `bad-input`, `failed`.
 * - After an abort or an `unavailable` a put may still have happened; putting the same again is harmless.
 * - Calls may run side by side without limit set by the caller; an implementation bounds its own sockets and files.
 */
export interface ObjectStore {
  /**
   * Stores `body` under `name`, in the place of what was there. The caller leaves `body` alone until it settles.
   * 'exists' only with `ifAbsent`, when something has that name; nothing is written then.
   */
  put(name: string, body: Buffer, options?: PutOptions): Promise<'stored' | 'exists'>;
  /**
   * Takes a file of this machine as the object, without copying its bytes: it must be whole, synced, and never change under
   * any of its names. True: it is stored as by `put`. False: this store cannot (another disk, a network between, or
   * something has the name): put it.
   */
  link(name: string, path: string, options?: CallOptions): Promise<boolean>;
  /**
   * The object's bytes, or exactly the range's; `corrupt` if the object ends before the range does. The buffer is the caller's
   * and owns its whole ArrayBuffer, so it can be moved to another thread.
   */
  get(name: string, options?: GetOptions): Promise<Buffer>;
  /** The object's size in bytes, or null if there is none. */
  head(name: string, options?: CallOptions): Promise<{ size: number } | null>;
  /** Removes the object; one that is not there is fine. */
  delete(name: string, options?: CallOptions): Promise<void>;
  /**
   * All objects whose names start with `prefix` ('' for all), in no promised order. What is stored or deleted while
   * listing may or may not show.
   */
  list(prefix: string, options?: CallOptions): AsyncIterable<ObjectInfo>;
  /** The store in a few words for a person and the log, free of secrets: `s3://bucket/prefix at host`. */
  describe(): string;
  /** Ends connections; calls that wait or come later reject, those under way may. Idempotent. */
  close(): Promise<void>;
}

/** Largest body a store takes or gives, in bytes: a content table of millions of chunks fits. */
export const MAX_OBJECT_BYTES = 268_435_456;
