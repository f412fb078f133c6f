import { BaeError } from '../../lib/errors.ts';
import {
  cancelled,
  checkBody,
  checkDigest,
  checkName,
  checkPrefix,
  checkRange,
  checkSignal,
  missing,
  tooShort,
} from './contract.ts';
import type { ObjectInfo, ObjectStore } from './ports.ts';

/** A store in this process's memory, gone with it: for simulations and tests. */
export function memoryStore(): ObjectStore {
  const objects = new Map<string, Buffer>();
  let closed = false;

  /** Every call takes a turn of the event loop, as a real store's would. */
  const enter = async (signal: AbortSignal | undefined) => {
    checkSignal(signal);
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (signal?.aborted) throw cancelled(signal);
    if (closed) throw new BaeError('unavailable', 'The store in memory was closed.', { retryable: false });
  };

  return {
    async put(name, body, options = {}) {
      checkName(name);
      checkBody(name, body);
      await enter(options.signal);
      await checkDigest(name, body, options.sha256);
      if (options.ifAbsent && objects.has(name)) return 'exists';
      objects.set(name, Buffer.from(body));
      return 'stored';
    },

    async link(name, _path, options = {}) {
      checkName(name);
      await enter(options.signal);
      return false;
    },

    async get(name, options = {}) {
      checkName(name);
      checkRange(options.range);
      await enter(options.signal);
      const body = objects.get(name);
      if (body === undefined) throw missing(name);
      const { offset, length } = options.range ?? { offset: 0, length: body.length };
      const available = Math.max(0, Math.min(length, body.length - offset));
      if (available < length) throw tooShort(name, length, available);
      const part = Buffer.allocUnsafeSlow(length);
      body.copy(part, 0, offset);
      return part;
    },

    async head(name, options = {}) {
      checkName(name);
      await enter(options.signal);
      const body = objects.get(name);
      return body === undefined ? null : { size: body.length };
    },

    async delete(name, options = {}) {
      checkName(name);
      await enter(options.signal);
      objects.delete(name);
    },

    async *list(prefix, options = {}): AsyncGenerator<ObjectInfo> {
      checkPrefix(prefix);
      await enter(options.signal);
      for (const [name, body] of objects) {
        checkSignal(options.signal);
        if (name.startsWith(prefix)) yield { name, size: body.length };
      }
    },

    describe: () => 'memory',

    async close() {
      closed = true;
    },
  };
}
