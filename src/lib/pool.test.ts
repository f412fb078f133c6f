import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from './clock.ts';
import { BaeError } from './errors.ts';
import { type JobLimits, WorkerPool } from './pool.ts';

const here = (path: string) => new URL(path, import.meta.url).href;

/** A worker module of one handler, as text; it may use answerPool and BaeError. */
function worker(handler: string): URL {
  const imports = `import { threadId } from 'node:worker_threads'; import { answerPool } from '${here('./pool.ts')}'; import { BaeError } from '${here('./errors.ts')}';`;
  return new URL(`data:text/javascript,${encodeURIComponent(`${imports}\nanswerPool(${handler});`)}`);
}

/** Does what it is told. */
const TOLD = worker(`async (request) => {
  if (request === 'die') process.exit(3);
  if (request === 'crash') queueMicrotask(() => { throw new Error('boom'); });
  if (request === 'crash' || request === 'hang') return new Promise(() => {});
  if (request === 'spin') for (;;);
  if (request === 'grow') for (const kept = []; ; ) kept.push(new Array(10_000).fill(0.5));
  if (request === 'who') return { response: threadId };
  if (request === 'wait') await new Promise((resolve) => setTimeout(resolve, 50));
  if (request === 'corrupt') throw new BaeError('corrupt', 'bad bytes', { cause: { reason: 'altered' } });
  if (request === 'busy') throw new BaeError('unavailable', 'later');
  if (request === 'bug') throw new TypeError('a bug');
  if (request instanceof Uint8Array) return { response: request.map((byte) => byte + 1), transfer: [] };
  return { response: request };
}`);

const pools: WorkerPool<unknown, unknown>[] = [];
function open(size: number, maxQueued?: number): WorkerPool<unknown, unknown> {
  const pool = new WorkerPool<unknown, unknown>({
    url: TOLD,
    name: 'told',
    size,
    ...(maxQueued === undefined ? {} : { maxQueued }),
  });
  pools.push(pool);
  return pool;
}
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
});

const failure = (job: Promise<unknown>) =>
  job.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: BaeError) => error,
  );

describe('WorkerPool', () => {
  it('answers each request with its own response', async () => {
    const pool = open(2);
    const requests = Array.from({ length: 50 }, (_, at) => ({ at }));
    expect(await Promise.all(requests.map((request) => pool.run(request)))).toEqual(requests);
    expect([pool.queued, pool.running]).toEqual([0, 0]);
  });

  it('moves what is transferred', async () => {
    const bytes = Uint8Array.of(1, 2, 3);
    const answered = open(1).run(bytes, [bytes.buffer]);
    expect(bytes.length).toBe(0);
    expect(await answered).toEqual(Uint8Array.of(2, 3, 4));
  });

  it('hands on the kind, the sentence, whether to retry, and a plain cause', async () => {
    const pool = open(1);
    const corrupt = await failure(pool.run('corrupt'));
    expect(corrupt).toBeInstanceOf(BaeError);
    expect([corrupt.kind, corrupt.message, corrupt.retryable]).toEqual(['corrupt', 'bad bytes', false]);
    expect(corrupt.cause).toEqual({ reason: 'altered' });
    const busy = await failure(pool.run('busy'));
    expect([busy.kind, busy.retryable]).toEqual(['unavailable', true]);
    const bug = await failure(pool.run('bug'));
    expect([bug.kind, bug.message]).toEqual(['failed', 'a bug']);
    expect(await pool.run('still there')).toBe('still there');
  });

  it('refuses one request more than may wait', async () => {
    const pool = open(1, 3);
    const waiting = ['wait', 1, 2, 3, 4].map((request) => pool.run(request));
    expect([pool.running, pool.queued]).toEqual([2, 3]);
    expect((await failure(pool.run('too much'))).kind).toBe('unavailable');
    expect(await Promise.all(waiting)).toEqual(['wait', 1, 2, 3, 4]);
    expect(await pool.run('room again')).toBe('room again');
  });

  it.each(['die', 'crash'])('fails the jobs of a thread that ends (%s), and goes on with a new one', async (end) => {
    const pool = open(1);
    const lost = failure(pool.run(end));
    const alongside = failure(pool.run('hang'));
    const after = pool.run('after');
    for (const error of [await lost, await alongside]) expect([error.kind, error.retryable]).toEqual(['failed', true]);
    expect(await after).toBe('after');
    expect((await failure(pool.run(end))).kind).toBe('failed');
    expect(await pool.run('again')).toBe('again');
  });

  it('fails every job, and never hangs, when the worker module cannot be loaded', async () => {
    const pool = new WorkerPool<unknown, unknown>({
      url: new URL('./nowhere.ts', import.meta.url),
      name: 'told',
      size: 1,
    });
    const jobs = [1, 2, 3, 4, 5].map((request) => failure(pool.run(request)));
    for (const job of jobs) expect((await job).kind).toBe('failed');
    await pool.close();
  });

  it('rejects what cannot be sent, and keeps its other jobs', async () => {
    const pool = open(1);
    const job = pool.run('wait');
    await expect(pool.run(() => 1)).rejects.toThrow();
    expect(await job).toBe('wait');
    expect(pool.running).toBe(0);
  });

  it('lets what runs end when it closes, cancels what waits, and then refuses', async () => {
    const pool = open(1);
    const running = [pool.run('wait'), pool.run(1)];
    const waiting = failure(pool.run(2));
    const closing = Promise.all([pool.close(), pool.close()]);
    expect((await waiting).kind).toBe('cancelled');
    expect(await Promise.all(running)).toEqual(['wait', 1]);
    await closing;
    expect((await failure(pool.run(3))).kind).toBe('cancelled');
  });

  describe('with limits', () => {
    const limited = (limits: Partial<JobLimits>) => {
      const all = { clock: systemClock, milliseconds: 60_000, idleMilliseconds: 60_000, heapMebibytes: 32, ...limits };
      const pool = new WorkerPool<unknown, unknown>({ url: TOLD, name: 'told', size: 1, limits: all });
      pools.push(pool);
      return pool;
    };

    it('ends a thread that takes too long, and no other job with it', async () => {
      const pool = limited({ milliseconds: 1_500 });
      const lost = failure(pool.run('spin'));
      const after = pool.run('after');
      expect([pool.running, pool.queued]).toEqual([1, 1]);
      expect((await lost).message).toContain('no answer within 1500 ms');
      expect(await after).toBe('after');
    });

    it('ends a thread that takes too much memory', async () => {
      const pool = limited({});
      expect((await failure(pool.run('grow'))).message).toContain('memory');
      expect(await pool.run('after')).toBe('after');
    });

    it('counts the time of what runs, and ends an idle thread', async () => {
      const due = new Map<() => void, number>();
      const clock = {
        ...systemClock,
        after: (milliseconds: number, call: () => void) => {
          due.set(call, milliseconds);
          return { cancel: () => void due.delete(call) };
        },
      };
      const pool = limited({ clock, milliseconds: 1, idleMilliseconds: 2 });
      const [first, second] = [pool.run('who'), pool.run('who')];
      expect([...due.values()]).toEqual([1]);
      expect(await second).toBe(await first);
      expect([...due.values()]).toEqual([2]);
      const [end] = due.keys();
      end?.();
      expect(due.size).toBe(0);
      expect(await pool.run('who')).not.toBe(await first);
    });

    it('does not wait for a job when it closes', async () => {
      const pool = limited({});
      const lost = failure(pool.run('spin'));
      await pool.close();
      expect((await lost).kind).toBe('failed');
    });
  });

  it('has at least one thread', () => {
    expect(() => open(0)).toThrow(RangeError);
    expect(() => open(1.5)).toThrow(RangeError);
  });
});
