/** One promise for all who wait: thousands of listeners on one signal cost more with each. */
const abortions = new WeakMap<AbortSignal, Promise<void>>();

/** Resolves when the signal aborts; at once if it has. */
export function aborted(signal: AbortSignal): Promise<void> {
  let promise = abortions.get(signal);
  if (promise === undefined) {
    promise = new Promise((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    abortions.set(signal, promise);
  }
  return promise;
}
