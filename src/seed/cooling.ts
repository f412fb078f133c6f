import type { TorrentSession } from '../torrent/index.ts';

/** A torrent that nobody asks for goes cold after this. */
export const COOL_MILLISECONDS = 60_000;
/** Torrents that are awake: more than this, and those go cold first that nobody has asked for longest. */
export const MOST_AWAKE = 1_000;
/** What was woken stays that long at least: whoever it was woken for is still shaking hands. */
export const LEAST_AWAKE_MILLISECONDS = 10_000;

/**
 * The ids of torrents that should go cold, the longest idle first: whole ones, without peers. Looks at awake ones only. `now`
 * is the clock's monotonic time.
 */
export function coolable(awake: ReadonlyMap<number, TorrentSession>, now: number): number[] {
  const idle: { id: number; milliseconds: number }[] = [];
  for (const [id, { torrent }] of awake) {
    if (torrent.idleSince === null || torrent.left > 0) continue;
    idle.push({ id, milliseconds: now - torrent.idleSince });
  }
  const tooMany = awake.size - MOST_AWAKE;
  return idle
    .sort((a, b) => b.milliseconds - a.milliseconds)
    .filter(({ milliseconds }, at) => milliseconds >= (at < tooMany ? LEAST_AWAKE_MILLISECONDS : COOL_MILLISECONDS))
    .map(({ id }) => id);
}
