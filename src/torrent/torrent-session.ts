import { sleep } from '../lib/clock.ts';
import { errorMessage } from '../lib/errors.ts';
import type {
  AnnounceCounters,
  AnnounceHandle,
  AnnounceSession,
  DhtHandle,
  PeerAddress,
  RestedAnnounces,
  TrackerStatus,
} from './discovery/index.ts';
import type { Info } from './metainfo/index.ts';
import type { BeginSpec, SavedAnnounces, SessionsOptions } from './session-options.ts';
import type { Torrent, TorrentListener } from './swarm/index.ts';

/** How long the end of one session may wait for its trackers. */
export const STOPPED_WAIT_MILLISECONDS = 5_000;

/** Before what is there is known, a torrent that goes on after a restart says nothing, for at most this long. */
const OPENING_MILLISECONDS = 10_000;
const OPENING_LOOK_MILLISECONDS = 100;

/** Peers that would be welcome, told to trackers as numwant. */
const WANTED_DOWNLOADING = 100;
export const WANTED_SEEDING = 30;
/** Who has fewer and lacks bytes is looked up in the DHT again soon. */
const FEW_PEERS = 5;

/** One torrent with its announces. Its owner is first the import, then the seeder: `listener` says who hears of it. */
export class TorrentSession {
  readonly torrent: Torrent;
  listener: TorrentListener;
  /** Monotonic time at which its payload moved last; 0: not in this run. */
  activeAt = 0;
  readonly #options: SessionsOptions;
  readonly #trackers: readonly (readonly string[])[];
  readonly #announcing: AnnounceHandle | RestedAnnounces | null;
  readonly #forget: () => void;
  readonly #key: number;
  /** Lifetime counters at the begin of the announce session. */
  readonly #base: { readonly uploadedBytes: number; readonly downloadedBytes: number };
  #startedWith: readonly string[];
  #completedSent: boolean;
  /** Trackers were told that it is over: what comes next is another session. */
  #isOver = false;
  #announces: AnnounceHandle | null = null;
  #lookups: { readonly dht?: DhtHandle | undefined; readonly local?: { stop(): void } | undefined } = {};
  readonly #lookedUpAt: number | null;
  /** What is known to be kept: no more is announced. */
  #kept: Omit<AnnounceCounters, 'left'>;
  /** Begun as a whole torrent: nothing is left to fetch, also before the store has said so. */
  readonly #whole: boolean;
  /** Once it has been taken from the engine. */
  #leftAtEnd: number | null = null;

  constructor(spec: BeginSpec, options: SessionsOptions, forget: () => void) {
    const { trackers, announces, announcing, lookedUpAt, listener, ...rest } = spec;
    this.#options = options;
    this.#trackers = trackers;
    this.#announcing = announcing ?? null;
    this.#lookedUpAt = lookedUpAt ?? null;
    this.#forget = forget;
    this.listener = listener ?? {};
    this.#whole = spec.mode === 'seed';
    this.#key = announces?.key ?? options.random.int(2 ** 32);
    this.#startedWith = announces?.startedWith ?? [];
    this.#completedSent = announces?.completedSent ?? this.#whole;
    this.#kept = { uploaded: announces?.uploadedBytes ?? 0, downloaded: announces?.downloadedBytes ?? 0 };
    this.#base = {
      uploadedBytes: (spec.uploadedBytes ?? 0) - this.#kept.uploaded,
      downloadedBytes: (spec.downloadedBytes ?? 0) - this.#kept.downloaded,
    };
    const peerId = announces?.peerId ?? options.newPeerId();
    this.torrent = options.engine.add({ ...rest, peerId, listener: this.#relay() });
    if (announces === null) options.keeper.changed(this);
  }

  /** The trackers with what they said; hosts only. */
  trackers(): TrackerStatus[] {
    return this.#announces?.session.status() ?? [];
  }

  /** Why no tracker has us, in words, when that is so; else null. */
  get refusal(): string | null {
    return this.#announces?.session.refusal ?? null;
  }

  /** When the DHT was asked for it last, in seconds of the clock; null: not in this run, or it is private. */
  get lookedUpAt(): number | null {
    return this.#lookups.dht?.lookedUpAt ?? null;
  }

  /** What the next run goes on with; null when trackers were told that it is over. */
  saved(): SavedAnnounces | null {
    if (this.#isOver) return null;
    const { uploaded, downloaded } = this.#counters();
    return {
      peerId: this.torrent.peerId,
      key: this.#key,
      startedWith: this.#startedWith,
      completedSent: this.#completedSent,
      uploadedBytes: uploaded,
      downloadedBytes: downloaded,
    };
  }

  provide(info: Info, id: number): void {
    if (info.isPrivate) this.#stopLookups();
    this.torrent.provide(info, id);
    this.#options.keeper.changed(this);
  }

  /** A person's wish: trackers that failed or refused are asked again now. */
  retry(): void {
    this.#announces?.retry();
  }

  /** Tells its trackers, and the DHT where the torrent is not known to be private (BEP 27); to be called once. */
  announce(): void {
    if (!this.torrent.isPrivate) this.#lookUp();
    const spec = {
      infoHash: this.torrent.infoHash,
      peerId: this.torrent.peerId,
      key: this.#key,
      trackers: this.#trackers,
      startedWith: this.#startedWith,
      counters: () => this.#announcedCounters(),
      partial: () => this.torrent.state === 'seeding' && this.#left > 0,
      wanted: () => (this.#left > 0 ? WANTED_DOWNLOADING : WANTED_SEEDING),
      eager: () => this.#left > 0,
      found: (peers: readonly PeerAddress[]) => this.torrent.addPeers(peers, 'tracker'),
      changed: (announced: AnnounceSession) => this.#announced(announced),
      completing: (announced: AnnounceSession) => this.#completing(announced),
      switched: () => {
        if (this.torrent.isPrivate) this.torrent.leavePeers();
      },
    };
    const announcing = this.#announcing;
    if (announcing !== null && 'session' in announcing) {
      this.#announces = announcing;
      announcing.handOver(spec);
      this.#announced(announcing.session);
    } else this.#announces = this.#options.scheduler.add(spec, announcing);
    // Told at last what a crash kept from being told: a download had ended. What was there all along is none.
    if (!this.#completedSent && this.#kept.downloaded > 0 && this.#left === 0) this.#announces.completed();
  }

  /**
   * Ends its announces without a word and gives what they have come to; null, and nothing ends, while one is under way or
   * something is untold. To be followed by `end(false)`.
   */
  rest(): RestedAnnounces | null {
    const rested = this.#announces?.rest() ?? null;
    if (rested !== null) this.#announces = null;
    return rested;
  }

  /**
   * Ends its announces and tells trackers `stopped`, until the signal aborts. Never rejects. What they could not be told
   * leaves the session as one that goes on.
   */
  async tellStopped(signal: AbortSignal): Promise<void> {
    this.#stopLookups();
    const announces = this.#announces;
    if (announces === null || this.#isOver) return;
    const wasKnown = this.#startedWith.length > 0;
    await announces.stop(signal);
    this.#isOver = wasKnown && this.#startedWith.length === 0;
    if (this.#isOver) this.#options.keeper.changed(this);
  }

  /**
   * Takes the torrent from the engine. With `tell`, its trackers get `stopped`, and that is saved when this resolves, so
   * that nobody goes on with a session that they have ended; without, it may go on at the next start.
   */
  async end(tell: boolean): Promise<void> {
    this.#stopLookups();
    this.torrent.setSeeding(false);
    this.#leftAtEnd = this.#left;
    const late = new AbortController();
    const timer = this.#options.clock.after(STOPPED_WAIT_MILLISECONDS, () => late.abort());
    if (!tell) this.#announces?.leave();
    try {
      const told = tell ? this.tellStopped(late.signal) : undefined;
      await Promise.all([told, this.#options.engine.remove(this.torrent)]);
    } finally {
      timer.cancel();
      this.#announces = null;
      this.#options.keeper.changed(this);
      this.#forget();
    }
    if (tell) await this.#options.keeper.flush();
  }

  get #left(): number {
    if (this.#leftAtEnd !== null) return this.#leftAtEnd;
    return this.#whole && this.torrent.handle === null ? 0 : this.torrent.left;
  }

  #counters(): Omit<AnnounceCounters, 'left'> {
    const { uploadedBytes, downloadedBytes } = this.torrent.stats();
    return {
      uploaded: uploadedBytes - this.#base.uploadedBytes,
      downloaded: downloadedBytes - this.#base.downloadedBytes,
    };
  }

  /**
   * A tracker is told only what the end of this process cannot make us forget. Else a crash right after an announce would
   * make the next one smaller: most trackers take that for a reset and count nothing, but one that counts from 0 again
   * would credit bytes twice. What cannot be kept now (the disk is full) is told later.
   */
  async #announcedCounters(): Promise<AnnounceCounters> {
    await this.#opened();
    const counters = this.#counters();
    const hasGrown = counters.uploaded > this.#kept.uploaded || counters.downloaded > this.#kept.downloaded;
    try {
      if (hasGrown) await this.#options.keeper.keep(this);
      this.#kept = counters;
    } catch (error) {
      this.#options.log.warn('counters could not be kept, so they are not announced', { reason: errorMessage(error) });
    }
    return { ...this.#kept, left: this.#left };
  }

  /** Until then, all of a download seems to be left; of a new one, that is so. */
  async #opened(): Promise<void> {
    const { clock } = this.#options;
    const late = clock.monotonic() + OPENING_MILLISECONDS;
    const goesOn = !this.#whole && this.#startedWith.length > 0;
    while (goesOn && this.torrent.state === 'opening' && clock.monotonic() < late) {
      await sleep(clock, OPENING_LOOK_MILLISECONDS);
    }
  }

  #announced(session: AnnounceHandle['session']): void {
    // A seed is one of those it is told of.
    this.torrent.setOtherSeeds(session.status().some(({ seeders }) => (seeders ?? 0) > 1));
    const { startedWith, completedSent } = session;
    const isSent = completedSent ?? this.#completedSent;
    if (isSent === this.#completedSent && startedWith.join('\n') === this.#startedWith.join('\n')) return;
    this.#startedWith = startedWith;
    this.#completedSent = isSent;
    this.#options.keeper.changed(this);
  }

  /** From here on, a run that comes after this one takes it for told, whatever becomes of the request. */
  async #completing(session: AnnounceSession): Promise<void> {
    this.#announced(session);
    await this.#options.keeper.flush();
  }

  #lookUp(): void {
    const { infoHash } = this.torrent;
    const isHungry = () => this.#left > 0 && this.torrent.stats().peers < FEW_PEERS;
    const { dht, local } = this.#options;
    const found = (source: 'dht' | 'lsd') => (peers: readonly PeerAddress[]) => this.torrent.addPeers(peers, source);
    this.#lookups = {
      dht: dht?.add({ infoHash, found: found('dht'), isHungry }, this.#lookedUpAt),
      local: local?.add({ infoHash, found: found('lsd') }),
    };
  }

  #stopLookups(): void {
    this.#lookups.dht?.stop();
    this.#lookups.local?.stop();
    this.#lookups = {};
  }

  /** The engine's words go to whoever owns the session now. */
  #relay(): TorrentListener {
    return {
      onMetadata: (rawInfo) => this.listener.onMetadata?.(rawInfo),
      onPiece: (index) => this.listener.onPiece?.(index),
      onWanted: () => this.listener.onWanted?.(),
      onMissing: (pieces) => this.listener.onMissing?.(pieces),
      onError: (error) => this.listener.onError?.(error),
      onComplete: () => {
        if (!this.#completedSent) this.#announces?.completed();
        this.listener.onComplete?.();
      },
      onCounters: (counters) => {
        this.activeAt = this.#options.clock.monotonic();
        this.#options.keeper.counted(this);
        this.listener.onCounters?.(counters);
      },
    };
  }
}
