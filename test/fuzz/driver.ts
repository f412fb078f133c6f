// Feeds a parser with what is kept in its corpus, then with what is drawn and bent, until its time is over. Guided by
// coverage, inputs that reach blocks of our code which none before reached are bent further.
import { inspect } from 'node:util';
import { getHeapStatistics } from 'node:v8';
import type fc from 'fast-check';
import { corpusOf } from './corpus.ts';
import type { Coverage } from './coverage.ts';
import { Feed } from './feed.ts';
import { smaller } from './smaller.ts';

/** A parser of bytes from outside. */
export interface Target {
  /** Its folder in test/fuzz/corpus. */
  readonly name: string;
  /**
   * Reads the bytes; returns (or resolves with) false where the parser says no without throwing. Asserts what must hold of
   * what it read: limits, the way back through an encoder, the same result however a stream is cut.
   */
  read(input: Buffer): unknown;
  /** Whether an error is the parser's own way to say no. Anything else is a crash. */
  isRefusal(error: unknown): boolean;
  /** Inputs of the parser's own structure, mostly ones it takes. */
  readonly drawn: fc.Arbitrary<Buffer>;
  /** Ends what `read` began, where it keeps a server or a thread. */
  close?(): Promise<void>;
}

export interface Outcome {
  readonly runs: number;
  readonly taken: number;
  readonly refused: number;
  /** Blocks of our code that ran; 0 where nobody looked. */
  readonly blocks: number;
  /** Inputs among which are those that reached blocks which neither the corpus nor those before did. */
  readonly promising: readonly Buffer[];
}

export interface FuzzOptions {
  readonly milliseconds: number;
  /** With the same one the same is drawn; unguided, the same is fed. */
  readonly seed: number;
  /** Begun before the parser was loaded; `fuzz` does not end it. */
  readonly coverage?: Coverage;
  /** Sees each input before it is read. */
  readonly watch?: (input: Buffer) => void;
}

/** Processor time one input may take: ten times and more what the slowest takes. */
const MOST_MILLISECONDS = 1_000;
/** Memory one input may take, beyond so many times its own size. */
const MOST_BYTES = 64 * 1024 * 1024;
const MOST_TIMES = 1_000;
/** The longest input in hexadecimal that an error shows whole, in characters. */
const SHOWN_CHARS = 20_000;
/** Between two looks at what ran there is some times the time that a look takes, and no more inputs than this. */
const TIMES_A_LOOK = 4;
const MOST_BATCH = 256;
const MOST_PROMISING = 2_000;

/**
 * Reads the whole corpus, then what a Feed gives, for so long.
 * @throws Error with the smallest input found that crashes the parser, and how to repeat and keep it
 */
export async function fuzz(target: Target, options: FuzzOptions): Promise<Outcome> {
  const { milliseconds, seed, coverage, watch } = options;
  const counts = { runs: 0, taken: 0, refused: 0 };
  const run = async (input: Buffer) => {
    watch?.(input);
    counts.runs++;
    counts[(await readOnce(target, input)) ? 'taken' : 'refused']++;
  };
  try {
    const corpus = corpusOf(target.name);
    for (const { name, input } of corpus) await onlyNaming(`corpus/${target.name}/${name}`, () => run(input));
    await coverage?.fresh();
    const kept = corpus.map(({ input }) => input);
    const feed = new Feed(target.drawn, kept, seed);
    const until = performance.now() + milliseconds;
    const promising: Buffer[] = [];
    let batchMilliseconds = 1;
    while (performance.now() < until) {
      const batch: Buffer[] = [];
      const look = Math.min(until, performance.now() + batchMilliseconds);
      while (batch.length < MOST_BATCH && performance.now() < look) {
        const input = feed.next();
        batch.push(input);
        try {
          await run(input);
        } catch (error) {
          throw await crash(target, input, seed, error);
        }
      }
      if (coverage === undefined) continue;
      const began = performance.now();
      // Which of the batch it was is not known, and does not matter: what is like the others is bent for nothing.
      if ((await coverage.fresh()) > 0) {
        for (const input of batch) feed.add(input);
        if (promising.length < MOST_PROMISING) promising.push(...batch);
      }
      batchMilliseconds = TIMES_A_LOOK * (performance.now() - began);
    }
    return { ...counts, blocks: coverage?.size ?? 0, promising };
  } finally {
    await target.close?.();
  }
}

/** Of the inputs, in their order, those that reach blocks which neither the corpus nor one before them does. */
export async function distil(
  target: Target,
  inputs: readonly Buffer[],
  coverage: Coverage,
  watch: (input: Buffer) => void,
): Promise<Buffer[]> {
  for (const { input } of corpusOf(target.name)) await readOnce(target, input);
  await coverage.fresh();
  const found: Buffer[] = [];
  for (const input of inputs) {
    watch(input);
    await readOnce(target, input);
    if ((await coverage.fresh()) > 0) found.push(input);
  }
  await target.close?.();
  return found;
}

/** Whether the parser takes an input; throws what it must not throw, and when it costs too much. */
export async function readOnce(target: Target, input: Buffer, mostMilliseconds = MOST_MILLISECONDS): Promise<boolean> {
  const memory = memoryBytes();
  const began = process.threadCpuUsage();
  let taken = true;
  try {
    // A copy: some decrypt in place what they are given.
    const answer = target.read(Buffer.from(input));
    taken = (answer instanceof Promise ? await answer : answer) !== false;
  } catch (error) {
    if (!target.isRefusal(error)) throw error;
    taken = false;
  }
  const { user, system } = process.threadCpuUsage(began);
  const milliseconds = (user + system) / 1_000;
  if (milliseconds > mostMilliseconds) throw new Error(`took ${milliseconds} ms of the processor`);
  const grown = memoryBytes() - memory;
  if (grown > MOST_BYTES + MOST_TIMES * input.length) throw new Error(`took ${grown} bytes of memory`);
  return taken;
}

/** This thread's. */
function memoryBytes(): number {
  const { used_heap_size, external_memory } = getHeapStatistics();
  return used_heap_size + external_memory;
}

async function onlyNaming(file: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    throw new Error(`test/fuzz/${file} breaks its parser: ${inspect(error)}`, { cause: error });
  }
}

async function crash(target: Target, input: Buffer, seed: number, cause: unknown): Promise<Error> {
  const breaks = async (shorter: Buffer) => {
    try {
      await readOnce(target, shorter);
      return false;
    } catch {
      return true;
    }
  };
  const least = (await breaks(input)) ? await smaller(input, breaks) : input;
  return new Error(`${target.name} breaks (seed ${seed}): ${inspect(cause)}\n${howToKeep(target.name, least)}`, {
    cause,
  });
}

/** An input, and the command that puts it into the corpus, where each run of the tests reads it. */
export function howToKeep(name: string, input: Buffer): string {
  const hex = input.toString('hex');
  const shown = hex.length <= SHOWN_CHARS ? hex : `${hex.slice(0, SHOWN_CHARS)} (${input.length} bytes in all)`;
  return `input: ${shown}\nrepeat it: printf '${shown}' | xxd -r -p > test/fuzz/corpus/${name}/NAME`;
}
