import { BaeError } from '../lib/errors.ts';
import { formatHostPort, type Info, parseMagnet, parseTorrentFile } from '../torrent/index.ts';
import { Job } from './job.ts';
import type { ImportOptions, ImportRequest, ImportSnapshot } from './ports.ts';
import { type ImportRow, ImportRows, type NewRow } from './rows.ts';

/** Imports under way at once; more wait their turn in `queued`. */
export const IMPORTS_AT_ONCE = 50;
/** Peers by hand that one import remembers. */
const PEERS_KEPT = 200;

/** The job machine: starts imports, goes on with them after a restart, answers what is asked of them. */
export class ImportManager {
  readonly #options: ImportOptions;
  readonly #rows: ImportRows;
  /** By import id: under way or waiting for their turn. */
  readonly #jobs = new Map<number, Job>();
  readonly #queue: Job[] = [];
  #running = 0;
  #stopped = false;

  constructor(options: ImportOptions) {
    this.#options = options;
    this.#rows = new ImportRows(options.database, options.clock);
  }

  /** Goes on with everything an earlier run left unfinished. */
  async start(): Promise<void> {
    for (const row of await this.#rows.unfinished()) this.#launch(row);
  }

  /** Leaves all jobs as they are for the next start. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#queue.length = 0;
    await Promise.all([...this.#jobs.values()].map((job) => job.end('stop')));
  }

  /**
   * A new import, or the one of the same info-hash that is under way already: it gets the new peers, and goes on if it had
   * failed.
   * @throws BaeError bad-input for what is no torrent or magnet; refused when it is in the library
   */
  async add(request: ImportRequest): Promise<ImportSnapshot> {
    const wanted = readRequest(request);
    for (;;) {
      const torrent = await this.#rows.inLibrary(wanted.infoHash);
      if (torrent !== null) throw new BaeError('refused', `This torrent is already in the library as t${torrent}.`);
      const live = await this.#rows.live(wanted.infoHash);
      if (live !== null) return this.#join(live, wanted.peers);
      const inserted = await this.#rows.insert(wanted);
      if (inserted !== null) return this.#snapshot(this.#launch(inserted).row);
    }
  }

  async list(): Promise<ImportSnapshot[]> {
    return (await this.#rows.list()).map((row) => this.#snapshot(row));
  }

  async get(id: number): Promise<ImportSnapshot> {
    return this.#snapshot(await this.#rows.get(id));
  }

  /** Calls an import off; its spool and objects go. Again: the same answer. `refused` when it is done. */
  async cancel(id: number): Promise<ImportSnapshot> {
    const row = await this.#rows.get(id);
    if (row.state === 'done') throw new BaeError('refused', `Import i${id} is done: it is in the library.`);
    if (row.state === 'cancelled') return this.#snapshot(row);
    await this.#rows.update(id, { state: 'cancelling' });
    const job = this.#jobs.get(id);
    if (job === undefined) await this.#launch({ ...row, state: 'cancelling' }).end('cancel');
    else await job.end('cancel');
    const after = await this.#rows.get(id);
    if (after.state === 'done') throw new BaeError('refused', `Import i${id} was done before it could be cancelled.`);
    return this.#snapshot(after);
  }

  /** Tries a failed import again from where it stood. */
  async retry(id: number): Promise<ImportSnapshot> {
    const row = await this.#rows.get(id);
    if (row.state === 'cancelled')
      throw new BaeError('refused', `Import i${id} was cancelled: import it again instead.`);
    if (row.state !== 'failed') return this.#snapshot(row);
    return this.#join(row, []);
  }

  async #join(row: ImportRow, peers: readonly string[]): Promise<ImportSnapshot> {
    const all = [...new Set([...row.peers_json, ...peers])].slice(-PEERS_KEPT);
    await this.#rows.update(row.id, { peers_json: all });
    const job = this.#jobs.get(row.id);
    if (job !== undefined) {
      await job.addPeers(peers);
      return this.#snapshot(job.row);
    }
    if (row.state !== 'failed') return this.#snapshot(await this.#rows.get(row.id));
    await this.#rows.update(row.id, { state: 'queued', reason: null, is_retryable: false });
    return this.#snapshot(this.#launch(await this.#rows.get(row.id)).row);
  }

  #launch(row: ImportRow): Job {
    const there = this.#jobs.get(row.id);
    if (there !== undefined) return there;
    if (this.#stopped) throw new BaeError('unavailable', 'bae is stopping.');
    const job = new Job(row, this.#rows, this.#options);
    this.#jobs.set(row.id, job);
    this.#queue.push(job);
    this.#next();
    return job;
  }

  #next(): void {
    while (this.#running < IMPORTS_AT_ONCE) {
      const job = this.#queue.shift();
      if (job === undefined) return;
      this.#running++;
      // A job never rejects: it saves its own failure.
      void job.run().then(() => {
        this.#running--;
        this.#jobs.delete(job.row.id);
        this.#next();
      });
    }
  }

  #snapshot(row: ImportRow): ImportSnapshot {
    const job = this.#jobs.get(row.id);
    return {
      id: row.id,
      name: row.name,
      infoHash: row.info_hash,
      state: row.state,
      identification: row.identification,
      progress: row.state === 'done' ? 1 : (job?.progress ?? row.progress),
      error: row.reason ?? job?.waiting ?? null,
      retryable: row.is_retryable,
      torrentId: row.torrent_id,
    };
  }
}

function readRequest(request: ImportRequest): NewRow {
  const peers = request.peers.map(formatHostPort);
  if ('magnet' in request.source) {
    const magnet = parseMagnet(request.source.magnet);
    const { infoHash, name, trackers } = magnet;
    return { infoHash, name, trackers, info: null, magnet: request.source.magnet, peers, asIs: request.asIs };
  }
  const { info, trackers } = parseTorrentFile(Buffer.from(request.source.torrent));
  const found: Info = info;
  return { infoHash: found.infoHash, name: found.name, trackers, info: found, magnet: null, peers, asIs: request.asIs };
}
