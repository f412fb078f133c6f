/** A pending call; cancel is idempotent. */
export interface Timer {
  cancel(): void;
}

/** Time as an argument: the system's in production, a virtual one in simulation. */
export interface Clock {
  /** Milliseconds since the Unix epoch; may jump. */
  now(): number;
  /** Milliseconds since some fixed moment; never goes back. */
  monotonic(): number;
  /** Calls once after at least `milliseconds`. Never keeps the process alive. */
  after(milliseconds: number, call: () => void): Timer;
  /** Calls again and again, `milliseconds` apart. Never keeps the process alive. */
  every(milliseconds: number, call: () => void): Timer;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(milliseconds, call) {
    const timer = setTimeout(call, milliseconds);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
  every(milliseconds, call) {
    const timer = setInterval(call, milliseconds);
    timer.unref();
    return { cancel: () => clearInterval(timer) };
  },
};

/** Calls once in the next turn of the event loop: what is ready to be read now is read before. */
export function nextTurn(call: () => void): void {
  setImmediate(call);
}

/** The longest time that setInterval takes, in milliseconds. */
const LONGEST_MILLISECONDS = 2 ** 31 - 1;

/** Keeps the process alive until cancelled, where all that it waits for is timers of a Clock. */
export function keepAlive(): Timer {
  const timer = setInterval(() => undefined, LONGEST_MILLISECONDS);
  return { cancel: () => clearInterval(timer) };
}

/** Resolves after at least `milliseconds`; rejects with the signal's reason if it aborts first. */
export function sleep(clock: Clock, milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const abort = () => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.after(milliseconds, () => {
      signal?.removeEventListener('abort', abort);
      resolve();
    });
    signal?.addEventListener('abort', abort, { once: true });
  });
}
