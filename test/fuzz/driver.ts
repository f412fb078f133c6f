// Feeds a parser with what is kept in its corpus, then with what is drawn and bent, until its time is over.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { bent } from './bent.ts';

/** A parser of bytes from outside. */
export interface Target {
  /** Its folder in test/fuzz/corpus. */
  readonly name: string;
  /** Reads the bytes; returns false where the parser says no without throwing. May assert what must hold of what it read. */
  read(input: Buffer): unknown;
  /** Whether an error is the parser's own way to say no. Anything else is a crash. */
  isRefusal(error: unknown): boolean;
  /** Inputs of the parser's own structure, mostly ones it takes. */
  readonly drawn: fc.Arbitrary<Buffer>;
}

export interface Outcome {
  readonly runs: number;
  readonly taken: number;
  readonly refused: number;
}

/** Processor time one input may take: ten times and more what the slowest takes. */
const MOST_MILLISECONDS = 1_000;
/** Memory one input may take, beyond so many times its own size. */
const MOST_BYTES = 64 * 1024 * 1024;
const MOST_TIMES = 1_000;
const CORPUS = new URL('corpus/', import.meta.url);
/** The longest input in hexadecimal that an error shows whole, in characters. */
const SHOWN_CHARS = 20_000;

/** The files kept for a parser, by name. */
export function corpusOf(name: string): { name: string; input: Buffer }[] {
  const folder = new URL(`${name}/`, CORPUS);
  return readdirSync(fileURLToPath(folder))
    .sort()
    .map((file) => ({ name: file, input: readFileSync(new URL(file, folder)) }));
}

/**
 * Reads the whole corpus, then inputs that are drawn, or drawn or kept and then bent, for so long. With the same `seed`
 * the same are drawn.
 * @throws Error with the smallest input found that crashes the parser, and how to keep it
 */
export function fuzz(target: Target, options: { milliseconds: number; seed?: number }): Outcome {
  const counts = { runs: 0, taken: 0, refused: 0 };
  const run = (input: Buffer) => {
    counts.runs++;
    counts[readOnce(target, input) ? 'taken' : 'refused']++;
  };
  const corpus = corpusOf(target.name);
  for (const { name, input } of corpus) {
    try {
      run(input);
    } catch (error) {
      throw new Error(`${target.name} breaks on corpus/${target.name}/${name}: ${inspect(error)}`, { cause: error });
    }
  }
  const kept = corpus.length > 0 ? fc.constantFrom(...corpus.map(({ input }) => input)) : target.drawn;
  const inputs = fc.oneof(
    { arbitrary: target.drawn, weight: 3 },
    { arbitrary: bent(target.drawn), weight: 5 },
    { arbitrary: bent(kept), weight: 5 },
    { arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)), weight: 1 },
  );
  const result = fc.check(fc.property(inputs, run), {
    numRuns: Number.MAX_SAFE_INTEGER,
    interruptAfterTimeLimit: options.milliseconds,
    ...(options.seed !== undefined && { seed: options.seed }),
  });
  if (result.failed) throw crash(target, result.counterexample?.[0], result);
  return counts;
}

/** Whether the parser takes an input; throws what it must not throw, and when it costs too much. */
export function readOnce(target: Target, input: Buffer, mostMilliseconds = MOST_MILLISECONDS): boolean {
  const memory = memoryBytes();
  const began = process.cpuUsage();
  let taken = true;
  try {
    taken = target.read(input) !== false;
  } catch (error) {
    if (!target.isRefusal(error)) throw error;
    taken = false;
  }
  const { user, system } = process.cpuUsage(began);
  const milliseconds = (user + system) / 1_000;
  if (milliseconds > mostMilliseconds) throw new Error(`took ${milliseconds} ms of the processor`);
  const grown = memoryBytes() - memory;
  if (grown > MOST_BYTES + MOST_TIMES * input.length) throw new Error(`took ${grown} bytes of memory`);
  return taken;
}

function memoryBytes(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function crash(target: Target, input: Buffer | undefined, result: fc.RunDetails<[Buffer]>): Error {
  const hex = input?.toString('hex').slice(0, SHOWN_CHARS) ?? '';
  const keep = `keep it: printf '${hex}' | xxd -r -p > test/fuzz/corpus/${target.name}/NAME`;
  const words = `${target.name} breaks (seed ${result.seed}): ${inspect(result.errorInstance)}\ninput: ${hex}\n${keep}`;
  return new Error(words, { cause: result.errorInstance });
}

/** How long each parser is fed: BAE_FUZZ_SECONDS, or what the project of the test thinks right. */
export function fuzzMilliseconds(usualSeconds: number): number {
  return 1_000 * Number(process.env.BAE_FUZZ_SECONDS ?? usualSeconds);
}
