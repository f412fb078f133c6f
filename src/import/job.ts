import type { ImportState } from '../db/index.ts';
import { BaeError, errorKind, errorMessage } from '../lib/errors.ts';
import {
  type BeginSpec,
  type Info,
  parseHostPort,
  parseInfo,
  parseMagnet,
  type TorrentSession,
} from '../torrent/index.ts';
import { clueRanges, cluesFirst } from './clues.ts';
import type { ImportOptions } from './ports.ts';
import type { ImportRow, ImportRows } from './rows.ts';
import { Watch } from './watch.ts';

/** Progress is saved no more often than this. */
const SAVE_MILLISECONDS = 5_000;
/** Clues that do not come for so long no longer hold the rest back. */
export const CLUE_PATIENCE_MILLISECONDS = 30_000;

/** Why a job was called off: a person's cancel, or the server's stop, which leaves it for the next start. */
type End = 'cancel' | 'stop';

/** One import on its way: queued → metadata → clues → downloading → committing → done, every step saved before the next. */
export class Job {
  readonly #options: ImportOptions;
  readonly #rows: ImportRows;
  readonly #abort = new AbortController();
  #row: ImportRow;
  #session: TorrentSession | null = null;
  #end: End | null = null;
  #fault: Error | null = null;
  #busyAt: number;
  #savedAt = 0;
  #running: Promise<void> | null = null;
  readonly #watch: Watch;

  constructor(row: ImportRow, rows: ImportRows, options: ImportOptions) {
    this.#row = row;
    this.#rows = rows;
    this.#options = options;
    this.#busyAt = options.clock.now();
    const guard = () => {
      this.#throwIfEnded();
      this.#throwIfFaulty();
      this.#throwIfStalled();
    };
    this.#watch = new Watch(options.clock, guard, () => this.#saveProgress());
  }

  get row(): ImportRow {
    return this.#row;
  }

  get progress(): number {
    const session = this.#session;
    return session === null || session.torrent.handle === null ? this.#row.progress : session.torrent.stats().progress;
  }

  /** What it waits for, if it is something a person would want to know. */
  get waiting(): string | null {
    return this.#session?.torrent.stats().waiting ?? this.#options.vault.stats().uploads.waiting;
  }

  /** Runs to its end: done, failed, cancelled, or left as it is by a stop. Never rejects. */
  run(): Promise<void> {
    this.#running ??= this.#run();
    return this.#running;
  }

  /** Calls the job off and waits until that is so. */
  async end(how: End): Promise<void> {
    this.#end ??= how;
    this.#abort.abort(new BaeError('cancelled', 'The import was called off.'));
    this.#watch.look();
    await this.run();
  }

  async addPeers(peers: readonly string[]): Promise<void> {
    for (const peer of peers) {
      const address = parseHostPort(peer);
      if (address === null) continue;
      const hosts = await this.#options.resolveHost(address.host);
      const found = hosts.map((host) => ({ host, port: address.port }));
      this.#session?.torrent.addPeers(found, 'hand');
    }
  }

  async #run(): Promise<void> {
    try {
      if (this.#row.state === 'cancelling') this.#end = 'cancel';
      else {
        const info = await this.#metadata();
        await this.#download(info);
        await this.#commit(info);
        return;
      }
    } catch (error) {
      if (this.#end === null) this.#fault = error as Error;
    }
    await this.#close().catch((error) => this.#broken(error));
  }

  /** What follows a run that did not end in `done`. */
  async #close(): Promise<void> {
    const session = this.#session;
    this.#session = null;
    if (this.#end === 'stop') {
      await session?.end(false);
      return;
    }
    await session?.end(true);
    if (this.#end === 'cancel') {
      await this.#set('cancelling');
      if (this.#row.bundle !== null) await this.#options.vault.abandon(this.#row.bundle);
      await this.#rows.forget(this.#row.id, this.#row.torrent_id);
      this.#row = await this.#rows.get(this.#row.id);
      return;
    }
    const fault = this.#fault as Error;
    const retryable = fault instanceof BaeError && fault.retryable;
    this.#options.log.warn('an import failed', { import: this.#row.id, reason: errorMessage(fault) });
    await this.#set('failed', { reason: errorMessage(fault), is_retryable: retryable });
  }

  #broken(error: unknown): void {
    const reason = errorMessage(error);
    this.#options.log.error('an import could not save its end', { import: this.#row.id, reason });
    this.#row = { ...this.#row, reason };
  }

  /** The info dictionary: from the database, or from peers for a magnet link. */
  async #metadata(): Promise<Info> {
    if (this.#row.torrent_id !== null) {
      const torrent = await this.#rows.torrent(this.#row.torrent_id);
      await this.#makeBundle(torrent.info, this.#row.torrent_id);
      this.#throwIfEnded();
      const announces = await this.#options.savedAnnounces(this.#row.torrent_id);
      this.#begin({
        info: torrent.info,
        id: this.#row.torrent_id,
        trackers: torrent.trackers_json,
        announces,
        uploadedBytes: torrent.uploaded_bytes,
        downloadedBytes: torrent.downloaded_bytes,
        priorities: cluesFirst(torrent.info),
      });
      return torrent.info;
    }
    const magnet = parseMagnet(this.#row.magnet as string);
    await this.#set('metadata');
    this.#throwIfEnded();
    let found: Info | null = null;
    let wrong: Error | null = null;
    this.#begin({ info: null, id: null, trackers: magnet.trackers, announces: null });
    const session = this.#session as TorrentSession;
    session.torrent.addPeers(magnet.peers, 'hand');
    session.listener = {
      ...session.listener,
      onMetadata: (rawInfo) => {
        try {
          found = parseInfo(rawInfo);
        } catch (error) {
          wrong = error as Error;
        }
        this.#watch.look();
      },
    };
    await this.#watch.until(() => {
      if (wrong !== null) throw wrong;
      return found !== null;
    });
    const info = found as unknown as Info;
    const id = await this.#rows.addTorrent(this.#row.id, info, magnet.trackers);
    this.#row = { ...this.#row, torrent_id: id, name: info.name };
    await this.#makeBundle(info, id);
    this.#throwIfEnded();
    session.torrent.setPriorities(cluesFirst(info));
    session.provide(info, id);
    return info;
  }

  async #makeBundle(info: Info, torrentId: number): Promise<void> {
    if (this.#row.bundle !== null) return;
    const bundle = await this.#options.vault.createBundle({ totalLength: info.totalLength, torrents: [torrentId] });
    await this.#rows.update(this.#row.id, { bundle });
    this.#row = { ...this.#row, bundle };
  }

  #begin(spec: Omit<BeginSpec, 'infoHash' | 'mode' | 'listener'>): void {
    this.#session = this.#options.sessions.begin({
      ...spec,
      infoHash: this.#row.info_hash,
      mode: 'download',
      listener: {
        onPiece: () => this.#watch.look(),
        onWanted: () => this.#watch.look(),
        onComplete: () => this.#watch.look(),
        onError: (error) => {
          this.#fault = error;
          this.#watch.look();
        },
      },
    });
    this.addPeers(this.#row.peers_json).catch((error) =>
      this.#options.log.warn('a peer given by hand has no address', { reason: errorMessage(error) }),
    );
  }

  /** Clues, then all the rest; every piece that arrives is the vault's. */
  async #download(info: Info): Promise<void> {
    const { torrent } = this.#session as TorrentSession;
    const clues = clueRanges(info);
    if (clues.length > 0) {
      await this.#set('clues');
      const begun = this.#options.clock.now();
      await this.#watch.until(() => {
        const last = Math.max(begun, torrent.stats().lastProgressAt);
        if (this.#options.clock.now() - last > CLUE_PATIENCE_MILLISECONDS) return true;
        return torrent.handle !== null && clues.every((range) => torrent.hasRange(range));
      });
    }
    torrent.setPriorities({ ranges: [], rest: 'normal' });
    await this.#set('downloading');
    await this.#watch.until(() => torrent.handle !== null && torrent.left === 0);
  }

  async #commit(info: Info): Promise<void> {
    const torrentId = this.#row.torrent_id as number;
    const bundle = this.#row.bundle as number;
    await this.#set('committing', { progress: 1 });
    const files = info.files.map(({ path, length, isPad }) => ({ path, length, pad: isPad }));
    await this.#rows.addFiles(bundle, files);
    const releases = await this.#options.library.addProvisionalRelease({ bundle, name: info.name, files });
    const torrent = await this.#rows.torrent(torrentId);
    const settings = {
      infoHash: info.infoHash.toString('hex'),
      trackers: torrent.trackers_json,
      seeding: { seeding: true, cacheMode: 'on-demand' },
    };
    const metainfo = [{ infoHash: info.infoHash, rawInfo: info.rawInfo }];
    const content = { files, metainfo, torrents: [settings], releases };
    await this.#options.vault.commit(bundle, content, { signal: this.#abort.signal });
    await this.#rows.finish(this.#row.id, torrentId, 'as-is');
    this.#row = await this.#rows.get(this.#row.id);
    const session = this.#session as TorrentSession;
    this.#session = null;
    session.listener = {};
    session.torrent.setMode('seed');
    this.#options.onDone(torrentId, session);
  }

  async #set(state: ImportState, more: Partial<Pick<ImportRow, 'reason' | 'is_retryable' | 'progress'>> = {}) {
    const change = { state, reason: null, progress: Math.max(this.progress, more.progress ?? 0), ...more };
    await this.#rows.update(this.#row.id, change);
    this.#row = { ...this.#row, ...change };
    this.#busyAt = this.#options.clock.now();
  }

  #throwIfEnded(): void {
    if (this.#end !== null) throw this.#abort.signal.reason;
  }

  /** What the engine can try again by itself is not the end of an import. */
  #throwIfFaulty(): void {
    const fault = this.#fault;
    this.#fault = null;
    if (fault !== null && !(fault instanceof BaeError && fault.retryable)) throw fault;
  }

  /** Time in which something of ours holds it up (a full spool, a store that is away) does not count. */
  #throwIfStalled(): void {
    const now = this.#options.clock.now();
    if (this.waiting !== null) this.#busyAt = now;
    const stats = (this.#session as TorrentSession).torrent.stats();
    const idle = now - Math.max(this.#busyAt, stats.lastProgressAt);
    if (idle < this.#options.settings.stallMilliseconds) return;
    const minutes = Math.max(1, Math.round(idle / 60_000));
    const who = stats.peers === 0 ? 'no peer could be reached' : 'its peers send nothing that is missing';
    throw new BaeError(
      'unavailable',
      `Nothing arrived for ${minutes} min: ${who}. Try again with: bae retry i${this.#row.id}`,
    );
  }

  #saveProgress(): void {
    const now = this.#options.clock.now();
    if (now - this.#savedAt < SAVE_MILLISECONDS || this.progress === this.#row.progress) return;
    this.#savedAt = now;
    const { progress } = this;
    this.#row = { ...this.#row, progress };
    this.#rows.update(this.#row.id, { progress }).catch((error) => {
      this.#options.log.warn('progress could not be saved', { kind: errorKind(error), reason: errorMessage(error) });
    });
  }
}
