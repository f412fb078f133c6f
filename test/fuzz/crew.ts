// Fuzzes parsers in threads, so many at a time that the processors are busy.
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { keep } from './corpus.ts';
import { howToKeep, type Outcome } from './driver.ts';
import { newShared, type Order, readInput } from './watched.ts';

/** An input that is read for so long is taken for one that never ends. */
const STUCK_MILLISECONDS = 60_000;
const LOOKS = 60;
const HEAP_MEBIBYTES = 512;
const SEEDS = 2 ** 31;
const TARGETS_URL = new URL('targets.ts', import.meta.url).href;

/** One more than there are processors: some wait for a socket, or for a thread of their own. */
let free = availableParallelism() + 1;
const waiting: (() => void)[] = [];

/**
 * Fuzzes one target, when its turn has come. BAE_FUZZ_SECONDS says for how long, else `usualSeconds`; BAE_FUZZ_SEED with
 * which seed, else another each time; BAE_FUZZ_KEEP=true writes what reached new blocks into the corpus.
 * @throws Error as `fuzz` does, and for an input that never ends or takes all memory
 */
export async function fuzzInThread(
  name: string,
  usualSeconds: number,
  { module = TARGETS_URL, stuckMilliseconds = STUCK_MILLISECONDS } = {},
): Promise<Outcome> {
  if (free > 0) free--;
  else await new Promise<void>((resolve) => waiting.push(resolve));
  try {
    const milliseconds = 1_000 * Number(process.env.BAE_FUZZ_SECONDS ?? usualSeconds);
    const seed = Number(process.env.BAE_FUZZ_SEED ?? Math.floor(Math.random() * SEEDS));
    const order = { name, module, milliseconds, seed, shared: newShared() };
    const outcome = await inThread<Outcome>({ ...order, distilled: null }, stuckMilliseconds);
    if (process.env.BAE_FUZZ_KEEP === 'true' && outcome.promising.length > 0) {
      // In another thread, since each block is told once a thread.
      const found = await inThread<readonly Uint8Array[]>(
        { ...order, distilled: outcome.promising },
        stuckMilliseconds,
      );
      keep(
        name,
        found.map((input) => Buffer.from(input)),
      );
    }
    return outcome;
  } finally {
    const next = waiting.shift();
    if (next === undefined) free++;
    else next();
  }
}

function inThread<Answer>(order: Order, stuckMilliseconds: number): Promise<Answer> {
  const worker = new Worker(new URL('fuzz.worker.ts', import.meta.url), {
    workerData: order,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MEBIBYTES },
  });
  return new Promise((resolve, reject) => {
    let seen = -1;
    let since = performance.now();
    const looking = setInterval(() => {
      const { count, input } = readInput(order.shared);
      if (count !== seen) [seen, since] = [count, performance.now()];
      else if (count > 0 && performance.now() - since > stuckMilliseconds) {
        fail(new Error(`${order.name} does not end with this\n${howToKeep(order.name, input)}`));
      }
    }, stuckMilliseconds / LOOKS);
    const fail = (error: Error) => {
      clearInterval(looking);
      void worker.terminate();
      reject(error);
    };
    worker.on('message', (answer: Answer) => {
      clearInterval(looking);
      void worker.terminate();
      resolve(answer);
    });
    worker.on('error', (cause: Error & { code?: string }) => {
      const isFull = cause.code === 'ERR_WORKER_OUT_OF_MEMORY';
      const { input } = readInput(order.shared);
      fail(isFull ? new Error(`${order.name} takes all memory\n${howToKeep(order.name, input)}`, { cause }) : cause);
    });
    worker.on('exit', (code) => {
      // 13: nothing is under way any more, and what was read was never answered.
      const { input } = readInput(order.shared);
      fail(new Error(`the thread of ${order.name} ended with ${code}\n${howToKeep(order.name, input)}`));
    });
  });
}
