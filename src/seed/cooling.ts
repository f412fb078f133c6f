import type { TorrentSession } from '../torrent/index.ts';

/** A torrent that nobody asks for goes cold after this. */
export const COOL_MILLISECONDS = 60_000;
/** Torrents that are awake: more than this, and those go cold first that nobody has asked for longest. */
export const MOST_AWAKE = 1_000;
/** What was woken stays that long at least: whoever it was woken for is still shaking hands. */
export const LEAST_AWAKE_MILLISECONDS = 10_000;

/**
 * The ids of torrents that should go cold, the longest idle first: whole ones, without peers. Public ones only when too many
 * are awake, since the DHT and the local network hear of those that are. Looks at awake ones only. `now` is the clock's
 * monotonic time.
 */
export function coolable(awake: ReadonlyMap<number, TorrentSession>, now: number): number[] {
  const idle: { id: number; milliseconds: number; isPrivate: boolean }[] = [];
  for (const [id, { torrent }] of awake) {
    if (torrent.idleSince === null || torrent.left > 0) continue;
    idle.push({ id, milliseconds: now - torrent.idleSince, isPrivate: torrent.isPrivate });
  }
  const tooMany = awake.size - MOST_AWAKE;
  return idle
    .sort((a, b) => b.milliseconds - a.milliseconds)
    .filter(({ milliseconds, isPrivate }, at) => {
      if (at < tooMany) return milliseconds >= LEAST_AWAKE_MILLISECONDS;
      return isPrivate && milliseconds >= COOL_MILLISECONDS;
    })
    .map(({ id }) => id);
}
