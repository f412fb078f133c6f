import { BaeError, errorKind, errorMessage } from '../lib/errors.ts';
import {
  type BeginSpec,
  type Info,
  parseHostPort,
  parseInfo,
  parseMagnet,
  type TorrentSession,
} from '../torrent/index.ts';
import { clueRanges, cluesFirst, restAfterClues } from './clues.ts';
import { commitContent } from './commit.ts';
import type { ImportOptions } from './ports.ts';
import type { ImportRecord } from './record.ts';
import type { ImportRows } from './rows.ts';
import { Stall, spanWords } from './stall.ts';
import { Watch } from './watch.ts';

/** Progress is saved no more often than this. */
const SAVE_MILLISECONDS = 5_000;
/** Clues that do not come for so long no longer hold the rest back. */
export const CLUE_PATIENCE_MILLISECONDS = 30_000;
/** How often a whole torrent may turn out to have lost pieces before its commit, and fetch them again. */
const REFETCHES = 5;

/** One try of an import, from where it stands to `done`. It owns the torrent's session until it hands it over. */
export class Attempt {
  readonly #options: ImportOptions;
  readonly #rows: ImportRows;
  readonly #record: ImportRecord;
  readonly #abort = new AbortController();
  readonly #watch: Watch;
  readonly #stall: Stall;
  #session: TorrentSession | null = null;
  /** What the engine said cannot go on. */
  #fault: Error | null = null;
  /** Metadata that came from a peer or a person. */
  #found: Info | null = null;
  #savedAt = 0;

  constructor(record: ImportRecord, rows: ImportRows, options: ImportOptions) {
    this.#record = record;
    this.#rows = rows;
    this.#options = options;
    this.#stall = new Stall(options.clock);
    const guard = () => {
      this.#abort.signal.throwIfAborted();
      if (this.#fault !== null) throw this.#fault;
      this.#throwIfStalled();
    };
    this.#watch = new Watch(options.clock, guard, () => this.#saveProgress());
  }

  get progress(): number {
    const torrent = this.#session?.torrent;
    return torrent === undefined || torrent.handle === null ? this.#record.row.progress : torrent.stats().progress;
  }

  /** What it waits for, if it is something a person would want to know. */
  get waiting(): string | null {
    // The vault knows why there is no room; the engine only that there is none.
    return this.#options.vault.stats().uploads.waiting ?? this.#session?.torrent.stats().waiting ?? null;
  }

  /** Why no tracker has us, in words; null when one has, or none said why. */
  get refusal(): string | null {
    return this.#session?.refusal ?? null;
  }

  /** Resolves when the content is in the library and the session handed over; rejects with what went wrong. */
  async run(): Promise<void> {
    const info = await this.#metadata();
    await this.#clues(info);
    for (let refetches = 0; ; refetches++) {
      await this.#download();
      if (await this.#commit(info, refetches < REFETCHES)) break;
    }
    await this.#finish();
  }

  /** Makes `run` reject soon, unless the content is committed already. */
  callOff(): void {
    this.#abort.abort(new BaeError('cancelled', 'The import was called off.'));
    this.#watch.look();
  }

  /** Ends the session. With `tell`, its tracker is told; without, the announce session goes on at the next start. */
  async leave(tell: boolean): Promise<void> {
    this.#record.note({ progress: this.progress });
    const session = this.#session;
    this.#session = null;
    try {
      await session?.end(tell);
    } catch (error) {
      this.#options.log.error('a torrent could not be ended', { reason: errorMessage(error) });
    }
  }

  /** Gives a magnet's import its metadata from elsewhere than its peers. */
  offer(info: Info): void {
    this.#found ??= info;
    this.#watch.look();
  }

  /** Dials peers that a person named. */
  addPeers(peers: readonly string[]): void {
    for (const peer of peers) {
      this.#addPeer(peer).catch((error) =>
        this.#options.log.warn('a peer given by hand has no address', { peer, reason: errorMessage(error) }),
      );
    }
  }

  async #addPeer(peer: string): Promise<void> {
    const address = parseHostPort(peer);
    if (address === null) return;
    const hosts = await this.#options.resolveHost(address.host);
    const found = hosts.map((host) => ({ host, port: address.port }));
    this.#session?.torrent.addPeers(found, 'hand');
  }

  /** The info dictionary: from the database, or from peers for a magnet link. The session has begun then. */
  async #metadata(): Promise<Info> {
    const { torrent_id: id, info_hash: infoHash } = this.#record.row;
    if (id === null) return this.#fetchMetadata();
    // In this order: what an attempt before this one counted is in the database then.
    const announces = await this.#options.savedAnnounces(id);
    const torrent = await this.#rows.torrent(id);
    await this.#makeBundle(torrent.info, id);
    this.#begin({
      infoHash,
      info: torrent.info,
      id,
      trackers: torrent.trackers_json,
      announces,
      uploadedBytes: torrent.uploaded_bytes,
      downloadedBytes: torrent.downloaded_bytes,
      priorities: this.#isPastClues ? restAfterClues(torrent.info) : cluesFirst(torrent.info),
    });
    return torrent.info;
  }

  async #fetchMetadata(): Promise<Info> {
    const magnet = parseMagnet(this.#record.row.magnet as string);
    await this.#record.step('metadata');
    let wrong: Error | null = null;
    const session = this.#begin(
      { infoHash: magnet.infoHash, info: null, id: null, trackers: magnet.trackers, announces: null },
      (rawInfo) => {
        try {
          this.offer(parseInfo(rawInfo));
        } catch (error) {
          wrong = error as Error;
          this.#watch.look();
        }
      },
    );
    await this.#watch.until(() => {
      if (wrong !== null) throw wrong;
      return this.#found !== null;
    });
    const info = this.#found as unknown as Info;
    const id = await this.#rows.addTorrent(this.#record.row.id, info, magnet.trackers);
    this.#record.note({ torrent_id: id, name: info.name });
    await this.#makeBundle(info, id);
    session.torrent.setPriorities(cluesFirst(info));
    session.provide(info, id);
    return info;
  }

  async #makeBundle(info: Info, torrentId: number): Promise<void> {
    if (this.#record.row.bundle === null) {
      const { vault } = this.#options;
      await this.#record.setBundle(await vault.createBundle({ totalLength: info.totalLength, torrents: [torrentId] }));
    }
    this.#abort.signal.throwIfAborted();
  }

  #begin(spec: Omit<BeginSpec, 'mode' | 'listener'>, onMetadata?: (rawInfo: Buffer) => void): TorrentSession {
    this.#abort.signal.throwIfAborted();
    const look = () => this.#watch.look();
    const fail = (error: Error) => {
      this.#fault = error;
      look();
    };
    const onError = (error: Error) => {
      // What the engine can try again by itself is not the end of an import.
      if (error instanceof BaeError && error.retryable) return;
      fail(error);
    };
    const listener = {
      onPiece: look,
      onWanted: look,
      onComplete: look,
      onError,
      ...(onMetadata === undefined ? {} : { onMetadata }),
    };
    const session = this.#options.sessions.begin({ ...spec, mode: 'download', listener });
    this.#session = session;
    // Read only now that the session is there: what is set from here on reaches it by itself.
    this.#rows.limits(this.#record.row.id).then((limits) => session.torrent.setLimits(limits), fail);
    this.addPeers(this.#record.row.peers_json);
    return session;
  }

  get #torrent() {
    return (this.#session as TorrentSession).torrent;
  }

  /** An earlier run had all clues, or gave up on them. */
  get #isPastClues(): boolean {
    return ['downloading', 'committing'].includes(this.#record.row.state);
  }

  /** Waits for the clues, but not for ever. */
  async #clues(info: Info): Promise<void> {
    const clues = clueRanges(info);
    if (clues.length > 0 && !this.#isPastClues) {
      await this.#step('clues');
      const { clock } = this.#options;
      let since = clock.monotonic();
      let lastProgressAt = 0;
      await this.#watch.until(() => {
        const stats = this.#torrent.stats();
        if (this.waiting !== null || stats.lastProgressAt !== lastProgressAt) since = clock.monotonic();
        lastProgressAt = stats.lastProgressAt;
        if (clock.monotonic() - since > CLUE_PATIENCE_MILLISECONDS) return true;
        return this.#torrent.handle !== null && clues.every((range) => this.#torrent.hasRange(range));
      });
    }
    this.#torrent.setPriorities(restAfterClues(info));
  }

  async #download(): Promise<void> {
    await this.#step('downloading');
    await this.#watch.until(() => this.#torrent.handle !== null && this.#torrent.left === 0);
  }

  /** True when the content is committed; false, if `mayRefetch`, when pieces that were there are to be fetched again. */
  async #commit(info: Info, mayRefetch: boolean): Promise<boolean> {
    await this.#step('committing');
    const { row } = this.#record;
    const bundle = row.bundle as number;
    try {
      await commitContent({ bundle, info, rows: this.#rows, options: this.#options, signal: this.#abort.signal });
      return true;
    } catch (error) {
      if (!mayRefetch || errorKind(error) !== 'refused' || this.#torrent.left === 0) throw error;
      this.#options.log.warn('pieces were lost before the commit', { import: row.id, reason: errorMessage(error) });
      return false;
    }
  }

  /** From here on nothing calls it off: the content is in the library. */
  async #finish(): Promise<void> {
    const { row } = this.#record;
    const torrentId = row.torrent_id as number;
    await this.#rows.finish(row.id, torrentId);
    this.#record.note({ state: 'done', reason: null, progress: 1 });
    const session = this.#session as TorrentSession;
    this.#session = null;
    session.listener = {};
    try {
      session.torrent.setMode('seed');
      this.#options.onDone(torrentId, session);
    } catch (error) {
      this.#options.log.error('a finished import could not be handed over', { reason: errorMessage(error) });
    }
  }

  async #step(state: 'clues' | 'downloading' | 'committing'): Promise<void> {
    this.#abort.signal.throwIfAborted();
    this.#record.note({ progress: this.progress });
    await this.#record.step(state);
    this.#stall.reset();
  }

  /** Time in which something of ours holds it up (a full spool, a store that is away) does not count. */
  #throwIfStalled(): void {
    const { lastProgressAt, peers } = this.#torrent.stats();
    const idle = this.#stall.look({ lastProgressAt, heldUp: this.waiting !== null });
    if (idle < this.#options.settings.stallMilliseconds) return;
    const who = peers === 0 ? 'no peer could be reached' : 'its peers send nothing that is missing';
    const again = `try again with "bae retry i${this.#record.row.id}"`;
    throw new BaeError('unavailable', `Nothing arrived for ${spanWords(idle)}: ${who}; ${again}.`);
  }

  #saveProgress(): void {
    const now = this.#options.clock.monotonic();
    const { progress } = this;
    if (now - this.#savedAt < SAVE_MILLISECONDS || progress === this.#record.row.progress) return;
    this.#savedAt = now;
    this.#record.saveProgress(progress).catch((error) => {
      this.#options.log.warn('progress could not be saved', { kind: errorKind(error), reason: errorMessage(error) });
    });
  }
}
