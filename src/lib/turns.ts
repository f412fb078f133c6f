import { BaeError } from './errors.ts';

/** Work that may wait for the same key. */
export const MAX_WAITING = 100;

interface Line {
  waiting: number;
  last: Promise<void>;
}

/** Work that goes one after the other for the same key, side by side for different ones. */
export class Turns<Key> {
  readonly #lines = new Map<Key, Line>();

  /**
   * Runs when all earlier work of this key has settled; resolves or rejects as the work does. `unavailable` when too much is
   * waiting.
   */
  async take<T>(key: Key, work: () => Promise<T>): Promise<T> {
    const line = this.#lines.get(key) ?? { waiting: 0, last: Promise.resolve() };
    if (line.waiting >= MAX_WAITING)
      throw new BaeError('unavailable', 'Too much is waiting for this torrent: try later.');
    this.#lines.set(key, line);
    line.waiting++;
    const done = line.last.then(work);
    const leave = () => {
      if (--line.waiting === 0) this.#lines.delete(key);
    };
    line.last = done.then(leave, leave);
    return done;
  }

  /** Resolves when all work taken so far, and what it led to, has settled. */
  async idle(): Promise<void> {
    while (this.#lines.size > 0) await Promise.all([...this.#lines.values()].map(({ last }) => last));
  }
}
