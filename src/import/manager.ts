import { BaeError } from '../lib/errors.ts';
import { Turns } from '../lib/turns.ts';
import {
  formatHostPort,
  type HostPort,
  parseMagnet,
  parseTorrentFile,
  type RateLimitChanges,
  type RateLimits,
} from '../torrent/index.ts';
import { Identification } from './identification.ts';
import { Job } from './job.ts';
import type { ImportOptions, ImportRequest, ImportSnapshot } from './ports.ts';
import { type ImportRow, ImportRows, type NewRow } from './rows.ts';

/** Imports under way at once; more wait their turn in `queued`. */
export const IMPORTS_AT_ONCE = 50;
/** Peers by hand that one import remembers, the newest. */
export const PEERS_KEPT = 200;

/** The job machine: starts imports, goes on with them after a restart, answers what is asked of them. */
export class ImportManager {
  readonly #options: ImportOptions;
  readonly #rows: ImportRows;
  readonly #identification: Identification;
  /** By import id: under way, waiting for their turn, or failed and not saved as that. */
  readonly #jobs = new Map<number, Job>();
  readonly #queue = new Set<Job>();
  /** What people ask of one torrent's imports goes one after the other. */
  readonly #turns = new Turns<string>();
  #running = 0;
  #stopped = false;

  constructor(options: ImportOptions) {
    this.#options = options;
    this.#rows = new ImportRows(options.database, options.clock);
    this.#identification = new Identification(this.#rows, options);
  }

  /** Goes on with everything an earlier run left unfinished. */
  async start(): Promise<void> {
    for (const row of await this.#rows.unfinished()) this.#launch(row);
    for (const id of await this.#rows.unidentified()) this.#identification.add(id);
  }

  /** Leaves all jobs as they are for the next start. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#queue.clear();
    const jobs = [...this.#jobs.values()].map((job) => job.end('stop'));
    await Promise.all([...jobs, this.#identification.stop()]);
    await this.#turns.idle();
  }

  /**
   * A new import, or the one of the same info-hash that is under way already: it gets the new peers, and goes on if it had
   * failed.
   * @throws BaeError bad-input for what is no torrent or magnet; refused when it is in the library; unavailable at the stop
   */
  async add(request: ImportRequest): Promise<ImportSnapshot> {
    const { nodes, ...wanted } = readRequest(request);
    if (nodes.length > 0) this.#options.onNodes(nodes);
    return this.#turns.take(wanted.infoHash.toString('hex'), () => this.#add(wanted));
  }

  /** The newest first. */
  async list(): Promise<ImportSnapshot[]> {
    return (await this.#rows.list()).map((row) => this.#snapshot(row));
  }

  /** @throws BaeError not-found */
  async get(id: number): Promise<ImportSnapshot> {
    return this.#snapshot(await this.#rows.get(id));
  }

  /**
   * Calls an import off; its spool and objects go. Again: the same answer. What cannot be removed now is removed later; the
   * import stands at `cancelling` until then.
   * @throws BaeError not-found; refused when it is done
   */
  async cancel(id: number): Promise<ImportSnapshot> {
    return this.#inTurn(id, async () => {
      if (await this.#rows.markCancelling(id)) await this.#clear(id);
      const after = await this.#rows.get(id);
      if (after.state !== 'done') return this.#snapshot(after);
      throw new BaeError('refused', `Import i${id} is done: it is in the library.`);
    });
  }

  /**
   * Tries a failed import again from where it stood; one that is under way stays as it is.
   * @throws BaeError not-found; refused when it was cancelled; unavailable at the stop
   */
  async retry(id: number): Promise<ImportSnapshot> {
    return this.#inTurn(id, async () => {
      const { state } = await this.#rows.get(id);
      if (state !== 'cancelled' && state !== 'cancelling') return this.#goOn(id);
      throw new BaeError('refused', `Import i${id} was cancelled: import it again instead.`);
    });
  }

  /**
   * Sets the rate limits of the import's torrent, from now on and when it is seeded; those not named stay. Returns all.
   * @throws BaeError not-found; refused when it was cancelled
   */
  async setLimits(id: number, changes: RateLimitChanges): Promise<RateLimits> {
    return this.#inTurn(id, async () => {
      const { state, info_hash } = await this.#rows.get(id);
      if (state === 'cancelled' || state === 'cancelling') {
        throw new BaeError('refused', `Import i${id} was cancelled: it has no limits.`);
      }
      const { limits, bundle } = await this.#rows.setLimits(id, changes);
      this.#options.sessions.get(info_hash.toString('hex'))?.torrent.setLimits(changes);
      // Of one that is being committed; before that the commit itself will see it.
      if (bundle !== null) this.#options.vault.manifestChanged(bundle);
      return limits;
    });
  }

  /** The import that is bringing a torrent into the library now; null for none. */
  bringing(torrentId: number): Promise<number | null> {
    return this.#rows.bringing(torrentId);
  }

  async #inTurn<T>(id: number, work: () => Promise<T>): Promise<T> {
    const { info_hash } = await this.#rows.get(id);
    return this.#turns.take(info_hash.toString('hex'), work);
  }

  async #add(wanted: NewRow): Promise<ImportSnapshot> {
    if (this.#stopped) throw new BaeError('unavailable', 'bae is stopping.');
    let live = await this.#rows.live(wanted.infoHash);
    if (live?.state === 'cancelling') {
      await this.#clear(live.id);
      live = await this.#rows.live(wanted.infoHash);
    }
    if (live === null) {
      const row = await this.#rows.insert(wanted);
      this.#launch(row);
      return this.#snapshot(row);
    }
    if (live.state === 'cancelling') {
      throw new BaeError(
        'unavailable',
        `Import i${live.id} of this torrent is still being cancelled: try again later.`,
      );
    }
    await this.#join(live, wanted);
    return this.#goOn(live.id);
  }

  async #join(row: ImportRow, { peers, info, trackers }: NewRow): Promise<void> {
    const all = [...new Set([...row.peers_json, ...peers])].slice(-PEERS_KEPT);
    await this.#rows.update(row.id, { peers_json: all });
    const metadata =
      info === null || row.torrent_id !== null
        ? {}
        : { torrent_id: await this.#rows.addTorrent(row.id, info, trackers), name: info.name };
    this.#jobs.get(row.id)?.join({ peers_json: all, ...metadata }, peers, info);
  }

  /** Launches an import that has failed; any other is left alone. */
  async #goOn(id: number): Promise<ImportSnapshot> {
    const job = this.#jobs.get(id);
    // It may be failing in this very moment.
    if (job?.isOver) await job.run();
    if (job === undefined || job.isOver) {
      if (this.#stopped) throw new BaeError('unavailable', 'bae is stopping.');
      if (await this.#rows.requeue(id, job?.isUnsaved ?? false)) {
        this.#jobs.delete(id);
        this.#launch(await this.#rows.get(id));
      }
    }
    return this.get(id);
  }

  /** Sees a cancel through, as far as it goes now. The row says `cancelling`. */
  async #clear(id: number): Promise<void> {
    const job = this.#jobs.get(id);
    if (job !== undefined && !job.isOver) {
      this.#queue.delete(job);
      const ended = job.end('cancel');
      this.#run(job);
      return ended;
    }
    await job?.run();
    this.#jobs.delete(id);
    const row = await this.#rows.get(id);
    if (row.state === 'cancelling') await this.#launch(row)?.end('cancel');
  }

  /** Null when it is left to the next start. */
  #launch(row: ImportRow): Job | null {
    if (this.#stopped) return null;
    const job = new Job(row, this.#rows, this.#options);
    this.#jobs.set(row.id, job);
    // A cancel needs no peers and waits for nobody.
    if (row.state === 'cancelling') this.#run(job);
    else this.#queue.add(job);
    this.#next();
    return job;
  }

  #next(): void {
    for (const job of this.#queue) {
      if (this.#running >= IMPORTS_AT_ONCE) return;
      this.#queue.delete(job);
      this.#running++;
      this.#run(job, () => {
        this.#running--;
        this.#next();
      });
    }
  }

  #run(job: Job, ended?: () => void): void {
    // A job never rejects: it saves its own failure.
    void job.run().then(() => {
      if (this.#jobs.get(job.row.id) === job && !job.isUnsaved) this.#jobs.delete(job.row.id);
      if (job.row.state === 'done') this.#identification.add(job.row.id);
      ended?.();
    });
  }

  #snapshot(row: ImportRow): ImportSnapshot {
    const job = this.#jobs.get(row.id);
    const { state, reason, is_retryable: retryable } = job?.isUnsaved ? job.row : row;
    return {
      id: row.id,
      name: row.name,
      infoHash: row.info_hash,
      state,
      identification: row.identification,
      progress: state === 'done' ? 1 : (job?.progress ?? row.progress),
      error: reason ?? job?.row.reason ?? job?.waiting ?? null,
      retryable,
      torrentId: row.torrent_id,
    };
  }
}

function readRequest({ source, peers, asIs }: ImportRequest): NewRow & { nodes: readonly HostPort[] } {
  const byHand = peers.slice(-PEERS_KEPT);
  if ('magnet' in source) {
    const { infoHash, name, trackers, peers: named } = parseMagnet(source.magnet);
    const all = [...named.slice(0, PEERS_KEPT - byHand.length), ...byHand].map(formatHostPort);
    return { infoHash, name, trackers, info: null, magnet: source.magnet, peers: all, asIs, nodes: [] };
  }
  const { info, trackers, nodes: named } = parseTorrentFile(Buffer.from(source.torrent));
  const { infoHash, name } = info;
  // BEP 27: a private torrent has nothing to do with the DHT.
  const nodes = info.isPrivate ? [] : named;
  return { infoHash, name, trackers, info, magnet: null, peers: byHand.map(formatHostPort), asIs, nodes };
}
