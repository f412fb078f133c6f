import { Worker } from 'node:worker_threads';
import { BaeError } from '../../lib/errors.ts';
import { sqliteError } from './errors.ts';
import type { Envelope, Outcome, Reply, Request, WorkerSetup } from './protocol.ts';

/** Requests under way or waiting in the worker's queue; beyond that the caller is told to come back. */
export const MAX_PENDING_REQUESTS = 4096;
/** The worker's reply to being started. */
const START_ID = 0;

interface Pending {
  resolve(outcome: Outcome): void;
  reject(error: Error): void;
}

/** The near end of the worker thread that owns one SQLite file. Requests are answered in order. */
export class SqliteClient {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #nextId = START_ID + 1;
  #ended: BaeError | null = null;
  readonly #exited: Promise<void>;

  private constructor(file: string) {
    this.#worker = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData: { file } satisfies WorkerSetup,
      name: 'database',
      // Flags meant for the process (--eval and its like) are none of the thread's business.
      execArgv: [],
    });
    this.#worker.on('message', (reply: Reply) => this.#settle(reply));
    this.#worker.on('error', (cause) =>
      this.#end(new BaeError('unavailable', 'The database thread failed.', { cause })),
    );
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#end(new BaeError('unavailable', 'The database is closed.'));
        resolve();
      });
    });
  }

  /** Opens or makes the file. Rejects with what sqliteError tells. */
  static async open(file: string): Promise<SqliteClient> {
    const client = new SqliteClient(file);
    try {
      await new Promise<Outcome>((resolve, reject) => client.#pending.set(START_ID, { resolve, reject }));
    } catch (error) {
      await client.#worker.terminate();
      throw error;
    }
    return client;
  }

  /** Rejects with a BaeError: `unavailable` when closed or when too much is waiting, else what sqliteError tells. */
  send(request: Request): Promise<Outcome> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    if (this.#pending.size >= MAX_PENDING_REQUESTS) {
      return Promise.reject(new BaeError('unavailable', 'The database is too busy: too many queries are waiting.'));
    }
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#pending.set(id, { resolve, reject });
      // The process stays alive for a query under way, and not for an idle database.
      this.#worker.ref();
      this.#worker.postMessage({ id, request } satisfies Envelope);
    });
  }

  /** Answers what is waiting, then closes the file. Idempotent. */
  async close(): Promise<void> {
    if (this.#ended !== null) return this.#exited;
    const closed = this.send({ op: 'close' });
    this.#ended = new BaeError('unavailable', 'The database is closed.');
    await closed;
    await this.#exited;
  }

  #settle(reply: Reply): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0 && this.#ended === null) this.#worker.unref();
    if ('outcome' in reply) pending?.resolve(reply.outcome);
    else pending?.reject(sqliteError(reply.failure.code, reply.failure.message));
  }

  #end(error: BaeError): void {
    this.#ended ??= error;
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#pending.clear();
  }
}
