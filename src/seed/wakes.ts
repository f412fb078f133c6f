/** Torrents being woken at once: their rows come from one database. */
export const WAKES_AT_ONCE = 16;
/** Torrents that wait for that: as many as there are connections before the handshake. */
export const WAKES_WAITING = 1_000;

/** Wakes torrents: each once at a time, a bounded number side by side, the others in the order they were asked for. */
export class Wakes {
  readonly #wake: (id: number) => Promise<void>;
  readonly #waking = new Map<number, Promise<void>>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** `wake` never rejects. */
  constructor(wake: (id: number) => Promise<void>) {
    this.#wake = wake;
  }

  get size(): number {
    return this.#waking.size;
  }

  /** Resolves when the torrent was woken or cannot be now. */
  take(id: number): Promise<void> {
    const there = this.#waking.get(id);
    if (there !== undefined) return there;
    if (this.#waiting.length >= WAKES_WAITING) return Promise.resolve();
    const waking = this.#inTurn(() => this.#wake(id)).finally(() => this.#waking.delete(id));
    this.#waking.set(id, waking);
    return waking;
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    if (this.#running >= WAKES_AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      await work();
    } finally {
      // Whoever waits takes this one's place.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}
