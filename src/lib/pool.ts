import { parentPort, type Transferable, Worker } from 'node:worker_threads';
import type { Clock, Timer } from './clock.ts';
import { BaeError, type ErrorKind, errorKind, errorMessage } from './errors.ts';

export interface PoolOptions {
  /** The worker's module; it calls `answerPool`. */
  readonly url: URL;
  /** What the system's tools show its threads as; at most 15 characters. */
  readonly name: string;
  /** Threads, each started when first needed. */
  readonly size: number;
  /** Requests that may wait for a thread; one more is refused at once. */
  readonly maxQueued?: number;
  /** For work on hostile input: what a thread may take before it is ended. */
  readonly limits?: JobLimits;
}

/** A thread that goes over one of these is ended. Such a thread has one job at a time, so that no other job pays for it. */
export interface JobLimits {
  readonly clock: Clock;
  /** From when the thread got the job. */
  readonly milliseconds: number;
  /** A thread without a job for so long is ended too, for the memory it holds. */
  readonly idleMilliseconds: number;
  /** JavaScript heap of one thread. */
  readonly heapMebibytes: number;
}

/** What a worker's handler gives back: the response, and the buffers in it that move instead of being copied. */
export interface Answer<Response> {
  readonly response: Response;
  readonly transfer?: readonly Transferable[];
}

interface Job<Request, Response> {
  readonly request: Request;
  readonly transfer: readonly Transferable[];
  readonly resolve: (response: Response) => void;
  readonly reject: (error: Error) => void;
}

type Reply =
  | { id: number; response: unknown }
  | { id: number; error: { kind: ErrorKind; message: string; retryable: boolean; cause?: unknown } };

const DEFAULT_MAX_QUEUED = 1_000;
/** A second job lies ready in each thread, so that none idles while an answer travels. */
const JOBS_PER_THREAD = 2;

/**
 * Threads that answer requests, in the order they came. A thread that dies, or goes over a limit, rejects the jobs it had
 * (`failed`, retryable) and is started again with the next job.
 */
export class WorkerPool<Request, Response> {
  readonly #url: URL;
  readonly #name: string;
  readonly #maxQueued: number;
  readonly #limits: JobLimits | null;
  readonly #threads: Thread<Request, Response>[];
  readonly #queue: Job<Request, Response>[] = [];
  #closed = false;

  constructor(options: PoolOptions) {
    if (!Number.isInteger(options.size) || options.size < 1) throw new RangeError(`a pool of ${options.size} threads`);
    this.#url = options.url;
    this.#name = options.name;
    this.#maxQueued = options.maxQueued ?? DEFAULT_MAX_QUEUED;
    this.#limits = options.limits ?? null;
    const { size } = options;
    this.#threads = Array.from({ length: size }, () => new Thread(this.#start, this.#dispatch, this.#limits));
  }

  /** Requests that wait for a thread. */
  get queued(): number {
    return this.#queue.length;
  }

  /** Requests that a thread has. */
  get running(): number {
    return this.#threads.reduce((sum, thread) => sum + thread.running, 0);
  }

  /**
   * Runs one request. What is in `transfer` moves to the thread: unusable here from now on, whatever happens.
   * Rejects with the handler's BaeError; `unavailable` when the queue is full; `cancelled` after close.
   */
  run(request: Request, transfer: readonly Transferable[] = []): Promise<Response> {
    if (this.#closed) return Promise.reject(new BaeError('cancelled', 'The worker pool is closed.'));
    return new Promise((resolve, reject) => {
      const job = { request, transfer, resolve, reject };
      const thread = this.#idlest();
      if (thread !== null) thread.run(job);
      else if (this.#queue.length < this.#maxQueued) this.#queue.push(job);
      else reject(new BaeError('unavailable', `${this.#maxQueued} jobs already wait for a worker thread.`));
    });
  }

  /** Rejects what waits (`cancelled`), lets what runs end (with limits it is ended), stops the threads. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const job of this.#queue.splice(0)) job.reject(new BaeError('cancelled', 'The worker pool is closing.'));
    await Promise.all(this.#threads.map((thread) => thread.stop()));
  }

  readonly #start = (): Worker => {
    const name = this.#name;
    if (this.#limits === null) return new Worker(this.#url, { name });
    return new Worker(this.#url, { name, resourceLimits: { maxOldGenerationSizeMb: this.#limits.heapMebibytes } });
  };

  /** A thread has room. */
  readonly #dispatch = (): void => {
    while (this.#queue.length > 0) {
      const thread = this.#idlest();
      if (thread === null) return;
      thread.run(this.#queue.shift() as Job<Request, Response>);
    }
  };

  #idlest(): Thread<Request, Response> | null {
    const jobs = this.#limits === null ? JOBS_PER_THREAD : 1;
    let best: Thread<Request, Response> | null = null;
    for (const thread of this.#threads) {
      if (thread.running < jobs && (best === null || thread.running < best.running)) best = thread;
    }
    return best;
  }
}

/** One place in the pool: a worker or none, and the jobs given to it. */
class Thread<Request, Response> {
  readonly #start: () => Worker;
  readonly #hasRoom: () => void;
  readonly #limits: JobLimits | null;
  readonly #jobs = new Map<number, Job<Request, Response>>();
  #worker: Worker | null = null;
  /** Of its job, or of its idleness. */
  #deadline: Timer | null = null;
  #nextId = 0;
  /** Called once nothing runs. */
  readonly #idle: (() => void)[] = [];

  constructor(start: () => Worker, hasRoom: () => void, limits: JobLimits | null) {
    this.#start = start;
    this.#hasRoom = hasRoom;
    this.#limits = limits;
  }

  get running(): number {
    return this.#jobs.size;
  }

  run(job: Job<Request, Response>): void {
    const id = this.#nextId++;
    try {
      this.#worker ??= this.#listen(this.#start());
      this.#worker.postMessage({ id, request: job.request }, job.transfer as Transferable[]);
    } catch (error) {
      job.reject(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    this.#jobs.set(id, job);
    // Work under way keeps the process alive; an idle thread does not.
    if (this.#jobs.size === 1) this.#worker.ref();
    const milliseconds = this.#limits?.milliseconds;
    if (milliseconds !== undefined) this.#endAfter(milliseconds, `no answer within ${milliseconds} ms`);
  }

  async stop(): Promise<void> {
    const worker = this.#worker;
    if (worker !== null && this.#limits !== null && this.#jobs.size > 0) this.#lost(worker, 'the pool is closing');
    if (this.#jobs.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
    await worker?.terminate();
  }

  #endAfter(milliseconds: number, why: string): void {
    const worker = this.#worker;
    this.#deadline?.cancel();
    if (worker === null || this.#limits === null) return;
    this.#deadline = this.#limits.clock.after(milliseconds, () => this.#lost(worker, why));
  }

  #listen(worker: Worker): Worker {
    worker.on('message', (reply: Reply) => this.#settle(reply));
    worker.on('error', (error) => this.#lost(worker, errorMessage(error)));
    worker.on('messageerror', (error) => this.#lost(worker, errorMessage(error)));
    worker.on('exit', (code) => this.#lost(worker, `exit code ${code}`));
    return worker;
  }

  #settle(reply: Reply): void {
    const job = this.#jobs.get(reply.id);
    if (job === undefined) return;
    this.#jobs.delete(reply.id);
    if ('response' in reply) job.resolve(reply.response as Response);
    else job.reject(new BaeError(reply.error.kind, reply.error.message, reply.error));
    this.#rest();
  }

  /** The worker died, or can no longer be understood: its jobs fail, and the next job starts another. */
  #lost(worker: Worker, why: string): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    worker.terminate();
    const jobs = [...this.#jobs.values()];
    this.#jobs.clear();
    for (const job of jobs) {
      job.reject(new BaeError('failed', `A worker thread ended in the middle of a job: ${why}.`, { retryable: true }));
    }
    this.#rest();
  }

  #rest(): void {
    if (this.#jobs.size === 0) {
      this.#worker?.unref();
      if (this.#limits !== null) this.#endAfter(this.#limits.idleMilliseconds, 'it has nothing to do');
      for (const resolve of this.#idle.splice(0)) resolve();
    }
    this.#hasRoom();
  }
}

/**
 * The worker's side: answers requests with `handle`, called in the order they came. Call once, from the worker's module.
 */
export function answerPool<Request, Response>(
  handle: (request: Request) => Answer<Response> | Promise<Answer<Response>>,
): void {
  if (parentPort === null) throw new Error('this module is for a worker thread');
  const port = parentPort;
  port.on('message', async ({ id, request }: { id: number; request: Request }) => {
    try {
      const { response, transfer } = await handle(request);
      port.postMessage({ id, response } satisfies Reply, transfer);
    } catch (error) {
      port.postMessage({ id, error: plainError(error) } satisfies Reply);
    }
  });
}

/** An error as data that crosses threads; a cause goes along where it is plain data. */
function plainError(error: unknown): { kind: ErrorKind; message: string; retryable: boolean; cause?: unknown } {
  const retryable = error instanceof BaeError && error.retryable;
  const plain = { kind: errorKind(error), message: errorMessage(error), retryable };
  const cause = error instanceof BaeError ? error.cause : undefined;
  if (cause !== null && typeof cause === 'object' && Object.getPrototypeOf(cause) === Object.prototype) {
    return { ...plain, cause };
  }
  return plain;
}
