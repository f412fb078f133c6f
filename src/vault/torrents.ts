import type { Database } from '../db/index.ts';
import { BaeError } from '../lib/errors.ts';
import type { StoredTorrent } from '../torrent/ports.ts';
import type { Bundle } from './bundle.ts';
import type { Bundles } from './bundles.ts';
import { type Extent, PieceMap } from './chunk/index.ts';
import { type OpenChunks, SPARE_CHUNKS } from './open-chunks.ts';
import { TorrentView } from './torrent-view.ts';

const MIN_UNITS = 4;

/** The torrents that are open. */
export class Torrents {
  readonly #database: Database;
  readonly #bundles: Bundles;
  readonly #open: OpenChunks;
  readonly #opened: (bundle: Bundle) => void;
  readonly #views = new Map<number, Promise<TorrentView>>();
  readonly #live = new Set<TorrentView>();

  /** `opened` is called with each bundle of a torrent that was opened. */
  constructor(database: Database, bundles: Bundles, open: OpenChunks, opened: (bundle: Bundle) => void) {
    this.#database = database;
    this.#bundles = bundles;
    this.#open = open;
    this.#opened = opened;
  }

  /** Opens a torrent whose piece map is saved; `not-found` else, `bad-input` if its map has another length. */
  async open(torrent: StoredTorrent): Promise<TorrentView> {
    let opening = this.#views.get(torrent.id);
    if (opening === undefined) {
      opening = this.#load(torrent);
      this.#views.set(torrent.id, opening);
      opening.catch(() => this.#views.delete(torrent.id));
    }
    const view = await opening;
    view.opened++;
    return view;
  }

  close(view: TorrentView): void {
    if (view.opened === 0 || --view.opened > 0) return;
    this.#views.delete(view.torrent.id);
    this.#live.delete(view);
    view.close();
    for (const id of view.bundles.keys()) this.#bundles.release(id);
  }

  /** A torrent's piece map; empty for one that has none. */
  async map(torrentId: number): Promise<PieceMap> {
    const rows = await this.#database.db
      .selectFrom('torrent_piece_mappings')
      .select(['torrent_offset', 'length', 'bundle', 'bundle_offset'])
      .where('torrent_id', '=', torrentId)
      .orderBy('torrent_offset')
      .execute();
    const extents: Extent[] = rows.map((row) => {
      return {
        torrentOffset: row.torrent_offset,
        length: row.length,
        bundle: row.bundle,
        bundleOffset: row.bundle_offset,
      };
    });
    return new PieceMap(extents);
  }

  /** `refused` for a bundle whose content is fixed or that goes. */
  assertWritable(bundle: Bundle): void {
    if (bundle.state === 'importing') return;
    const why = bundle.state === 'committed' ? 'is committed and never changes' : 'is being deleted';
    throw new BaeError('refused', `Bundle ${bundle.id} ${why}.`);
  }

  async #load(torrent: StoredTorrent): Promise<TorrentView> {
    const map = await this.map(torrent.id);
    if (map.length === 0 && torrent.totalLength > 0) {
      throw new BaeError('not-found', `Torrent ${torrent.id} has no place in the vault yet.`);
    }
    if (map.length !== torrent.totalLength) {
      throw new BaeError('bad-input', `Torrent ${torrent.id} has ${torrent.totalLength} bytes, its map ${map.length}.`);
    }
    const bundles = new Map<number, Bundle>();
    try {
      for (const { bundle } of map.extents) {
        if (bundle !== null && !bundles.has(bundle)) bundles.set(bundle, await this.#bundles.hold(bundle));
      }
    } catch (error) {
      for (const id of bundles.keys()) this.#bundles.release(id);
      throw error;
    }
    const view = new TorrentView(torrent, map, bundles, this.#open, () => this.#unitsEach());
    if (view.isWriting) this.#open.allowPieces(torrent.pieceLength);
    this.#live.add(view);
    for (const bundle of bundles.values()) this.#opened(bundle);
    return view;
  }

  /** The open chunks, shared among the torrents being written. */
  #unitsEach(): number {
    let writing = 0;
    for (const view of this.#live) if (view.isWriting) writing++;
    return Math.max(MIN_UNITS, Math.floor((this.#open.limit - SPARE_CHUNKS) / Math.max(1, writing)));
  }
}
