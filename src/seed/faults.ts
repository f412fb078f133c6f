import type { TorrentListener } from '../torrent/index.ts';

/** Where a torrent's faults go. */
export interface Faults {
  readonly failed: (error: unknown) => void;
  /** How many of its pieces cannot be served; 0: all can. */
  readonly missing: (pieces: number) => void;
}

/**
 * Passes on what a torrent says of itself where it is news. `isWell`: the last that was said is that nothing is wrong, and a
 * torrent that is woken and well has nothing to add.
 */
export function faultListener(isWell: boolean, { failed, missing }: Faults): TorrentListener {
  let saidWell = isWell;
  return {
    onError: (error) => {
      saidWell = false;
      failed(error);
    },
    onMissing: (pieces) => {
      if (pieces > 0 || !saidWell) missing(pieces);
      saidWell = pieces === 0;
    },
  };
}
