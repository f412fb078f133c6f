import { TEXTS_SHARED } from './shared-texts.ts';

/** Cold torrents of one tracker that are announced, or wait for it in its queue, at once: what it takes in a second. */
export const HELD_PER_HOST = 40;
/** Of all trackers: each holds an announce session, some kilobytes. */
export const HELD_AT_ONCE = 2_000;

/**
 * Slots whose announce is due, host by host in the order they came; each host has a share of what may be under way, so that
 * one that does not answer holds up nobody but itself.
 */
export class WaitingSlots {
  /** Those that got a turn go behind the others. */
  readonly #hosts = new Map<string, Set<number>>();
  readonly #hostNames = new Map<string, string>();
  readonly #trackerOf: (slot: number) => string | null;

  /** `trackerOf` gives the announce URL that is asked next. */
  constructor(trackerOf: (slot: number) => string | null) {
    this.#trackerOf = trackerOf;
  }

  push(slot: number): void {
    const host = this.#hostOf(slot);
    const slots = this.#hosts.get(host);
    if (slots === undefined) this.#hosts.set(host, new Set([slot]));
    else slots.add(slot);
  }

  delete(slot: number): void {
    this.#hosts.get(this.#hostOf(slot))?.delete(slot);
  }

  /** Takes out those whose turn it is, beside those that are held already. */
  take(held: Iterable<number>): number[] {
    const busy = new Map<string, number>();
    let all = 0;
    for (const slot of held) {
      const host = this.#hostOf(slot);
      busy.set(host, (busy.get(host) ?? 0) + 1);
      all++;
    }
    const taken: number[] = [];
    for (const [host, slots] of [...this.#hosts]) {
      const room = Math.min(HELD_PER_HOST - (busy.get(host) ?? 0), HELD_AT_ONCE - all);
      if (room <= 0) continue;
      const some = [...slots].slice(0, room);
      for (const slot of some) slots.delete(slot);
      taken.push(...some);
      all += some.length;
      this.#hosts.delete(host);
      if (slots.size > 0) this.#hosts.set(host, slots);
    }
    return taken;
  }

  #hostOf(slot: number): string {
    const text = this.#trackerOf(slot) ?? '';
    const known = this.#hostNames.get(text);
    if (known !== undefined) return known;
    const host = text === '' ? '' : new URL(text).host;
    if (this.#hostNames.size < TEXTS_SHARED) this.#hostNames.set(text, host);
    return host;
  }
}
