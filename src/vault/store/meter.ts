import type { ObjectStore } from './ports.ts';

export type StoreCall = 'put' | 'get' | 'head' | 'delete' | 'list';

/** What was asked of a store since it was wrapped. */
export interface CallCounts {
  /** Calls begun; for `list` one for each page of 1,000 objects, as S3 bills it. */
  calls: number;
  failed: number;
  /** Body bytes of calls that succeeded: sent by put, received by get; 0 for the others. */
  bytes: number;
}

export type StoreCounts = Readonly<Record<StoreCall, Readonly<CallCounts>>>;

/** A store that counts. Put it under the retries, so that every try counts: each one costs. */
export interface MeteredStore extends ObjectStore {
  /** Live counts. */
  readonly counts: StoreCounts;
}

const LIST_PAGE_OBJECTS = 1_000;

/** Wraps a store so that its calls and bytes are counted. */
export function metered(store: ObjectStore): MeteredStore {
  const zero = (): CallCounts => ({ calls: 0, failed: 0, bytes: 0 });
  const counts = { put: zero(), get: zero(), head: zero(), delete: zero(), list: zero() };

  const counted = async <Result>(
    call: StoreCall,
    work: () => Promise<Result>,
    bytes: (result: Result) => number = () => 0,
  ): Promise<Result> => {
    counts[call].calls++;
    try {
      const result = await work();
      counts[call].bytes += bytes(result);
      return result;
    } catch (error) {
      counts[call].failed++;
      throw error;
    }
  };

  return {
    counts,
    put: (name, body, options) =>
      counted(
        'put',
        () => store.put(name, body, options),
        () => body.length,
      ),
    // No call of a provider, and no bytes.
    link: (name, path, options) => store.link(name, path, options),
    get: (name, options) =>
      counted(
        'get',
        () => store.get(name, options),
        (body) => body.length,
      ),
    head: (name, options) => counted('head', () => store.head(name, options)),
    delete: (name, options) => counted('delete', () => store.delete(name, options)),
    async *list(prefix, options) {
      let given = 0;
      counts.list.calls++;
      try {
        for await (const info of store.list(prefix, options)) {
          if (given > 0 && given % LIST_PAGE_OBJECTS === 0) counts.list.calls++;
          given++;
          yield info;
        }
      } catch (error) {
        counts.list.failed++;
        throw error;
      }
    },
    describe: () => store.describe(),
    close: () => store.close(),
  };
}
