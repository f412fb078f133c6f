import type { Family, NodeInfo } from './compact.ts';
import { FIRST_REOPEN_MILLISECONDS, MOST_REOPEN_MILLISECONDS } from './limits.ts';

/** What a node knew: it finds its way in again with it. */
export interface Known {
  readonly id: Buffer;
  readonly nodes: readonly NodeInfo[];
}

/** A socket that failed and is to be opened again. */
export interface Lost {
  readonly family: Family;
  readonly address: string;
  readonly known: Known;
}

interface Entry extends Lost {
  readonly pause: number;
  readonly at: number;
}

/**
 * Sockets that failed (the network went down, the system ran out of something), until they are open again: tried after
 * pauses that double, the longer as long as each fails soon. Times are monotonic milliseconds.
 */
export class LostSockets {
  readonly #lost = new Map<Family, Entry>();
  /** Of each that was lost before: the pause then, and when it was opened last. */
  readonly #before = new Map<Family, { readonly pause: number; readonly openedAt: number }>();

  add(lost: Lost, now: number): void {
    const before = this.#before.get(lost.family);
    const isSoon = before !== undefined && now - before.openedAt < MOST_REOPEN_MILLISECONDS;
    const pause = isSoon ? Math.min(2 * before.pause, MOST_REOPEN_MILLISECONDS) : FIRST_REOPEN_MILLISECONDS;
    this.#lost.set(lost.family, { ...lost, pause, at: now + pause });
  }

  get(family: Family): Lost | null {
    return this.#lost.get(family) ?? null;
  }

  /** Takes out those that are to be tried now. One that cannot be opened is to be added again. */
  due(now: number): Lost[] {
    const due = [...this.#lost.values()].filter(({ at }) => at <= now);
    for (const { family, pause } of due) {
      this.#lost.delete(family);
      this.#before.set(family, { pause, openedAt: now });
    }
    return due;
  }

  clear(): void {
    this.#lost.clear();
  }
}
