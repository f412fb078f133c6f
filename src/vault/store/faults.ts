import { type Clock, sleep } from '../../lib/clock.ts';
import { BaeError } from '../../lib/errors.ts';
import { cancelled } from './contract.ts';
import type { StoreCall } from './meter.ts';
import type { ObjectStore } from './ports.ts';

/**
 * What goes wrong with a call:
 * - fail: `unavailable` without doing it (or the given error)
 * - lose-reply: done, and then `unavailable` all the same
 * - delay: done after `milliseconds`
 * - hang: never done; only the signal ends it
 * - flip: a get's bytes have one bit flipped, at byte `at` (the middle if not given)
 * - truncate: a get's bytes end at byte `at` (the middle if not given), as of an object cut short
 */
export type Mischief =
  | { act: 'fail'; error?: BaeError }
  | { act: 'lose-reply' }
  | { act: 'delay'; milliseconds: number }
  | { act: 'hang' }
  | { act: 'flip'; at?: number }
  | { act: 'truncate'; at?: number };

export type Fault = Mischief & {
  call: StoreCall;
  /** Only calls for names (prefixes of listings) that match; all if not given. */
  name?: RegExp;
  /** The first matching call that fails, 1 the next; 1 if not given. */
  from?: number;
  /** How many matching calls fail from then on; all if not given. */
  times?: number;
};

export interface FaultyStore extends ObjectStore {
  /** Adds a fault; gives the way to take it back. Of several that match a call the first added acts. */
  inject(fault: Fault): () => void;
}

/** For tests: a store whose calls fail as told. */
export function faultyStore(store: ObjectStore, clock: Clock): FaultyStore {
  const faults: { fault: Fault; seen: number }[] = [];

  const faultOf = (call: StoreCall, name: string): Fault | undefined => {
    let acting: Fault | undefined;
    for (const entry of faults) {
      const { fault } = entry;
      if (fault.call !== call || !(fault.name?.test(name) ?? true)) continue;
      const past = ++entry.seen - (fault.from ?? 1);
      if (past >= 0 && past < (fault.times ?? Number.POSITIVE_INFINITY)) acting ??= fault;
    }
    return acting;
  };

  const run = async <Result>(
    call: StoreCall,
    name: string,
    signal: AbortSignal | undefined,
    work: (fault: Fault | undefined) => Promise<Result>,
  ): Promise<Result> => {
    const fault = faultOf(call, name);
    if (fault?.act === 'fail') throw fault.error ?? new BaeError('unavailable', `${call} ${name} was made to fail.`);
    if (fault?.act === 'hang') return await hang(signal);
    if (fault?.act === 'delay') await delay(clock, fault.milliseconds, signal);
    const result = await work(fault);
    if (fault?.act === 'lose-reply') throw new BaeError('unavailable', `The reply to ${call} ${name} was lost.`);
    return result;
  };

  return {
    inject(fault) {
      const entry = { fault, seen: 0 };
      faults.push(entry);
      return () => {
        const at = faults.indexOf(entry);
        if (at !== -1) faults.splice(at, 1);
      };
    },
    put: (name, body, options) => run('put', name, options?.signal, () => store.put(name, body, options)),
    link: (name, path, options) => run('put', name, options?.signal, () => store.link(name, path, options)),
    get: (name, options) =>
      run('get', name, options?.signal, async (fault) => spoilt(await store.get(name, options), fault)),
    head: (name, options) => run('head', name, options?.signal, () => store.head(name, options)),
    delete: (name, options) => run('delete', name, options?.signal, () => store.delete(name, options)),
    async *list(prefix, options) {
      await run('list', prefix, options?.signal, async () => undefined);
      yield* store.list(prefix, options);
    },
    describe: () => store.describe(),
    close: () => store.close(),
  };
}

/** The bytes with the fault's harm done to them. */
function spoilt(body: Buffer, fault: Fault | undefined): Buffer {
  if (fault?.act === 'truncate') return Buffer.from(body.buffer.slice(0, fault.at ?? body.length >> 1));
  const at = fault?.act === 'flip' ? (fault.at ?? body.length >> 1) : body.length;
  if (at < body.length) body.writeUInt8(body.readUInt8(at) ^ 1, at);
  return body;
}

async function delay(clock: Clock, milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(clock, milliseconds, signal);
  } catch (error) {
    throw signal?.aborted ? cancelled(signal) : error;
  }
}

function hang(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal?.aborted) reject(cancelled(signal));
    signal?.addEventListener('abort', () => reject(cancelled(signal)), { once: true });
  });
}
