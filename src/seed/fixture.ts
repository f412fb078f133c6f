// What tests of this room share.
import { type Clock, systemClock } from '../lib/clock.ts';
import type { Lease, PieceStore } from '../torrent/ports.ts';
import { LEASE_BYTES } from '../vault/index.ts';

/** A clock whose timers a test fires. */
export class ManualClock implements Clock {
  readonly timers = new Map<object, { milliseconds: number; call: () => void }>();
  now = () => systemClock.now();
  monotonic = () => systemClock.monotonic();
  every = systemClock.every;

  after(milliseconds: number, call: () => void) {
    const key = {};
    this.timers.set(key, { milliseconds, call });
    return { cancel: () => void this.timers.delete(key) };
  }

  fire(milliseconds: number): void {
    for (const [key, timer] of this.timers) {
      if (timer.milliseconds !== milliseconds) continue;
      this.timers.delete(key);
      timer.call();
    }
  }
}

/** Torrent bytes whose value tells their offset; leases and handles are counted. */
export function piecesOf(counts: { open: number; handles: number }): PieceStore {
  const store: Pick<PieceStore, 'open' | 'close' | 'read'> = {
    open: async (torrent) => {
      counts.handles++;
      return { torrent, unitBytes: 2 ** 20, maxOpenUnits: 64 };
    },
    close: () => void counts.handles--,
    read: async (_handle, offset, length): Promise<Lease> => {
      if (length > LEASE_BYTES) throw new RangeError('too much at once');
      counts.open++;
      const bytes = Buffer.from(Uint8Array.from({ length }, (_, index) => (offset + index) % 251));
      const views = [bytes.subarray(0, 10), bytes.subarray(10)];
      return { views, pinnedBytes: length, release: () => void counts.open-- };
    },
  };
  return store as PieceStore;
}
