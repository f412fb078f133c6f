// What a flood costs one turn of the event loop, in processor time, so that it does not matter who else is busy here.
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { nextTurn, systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { systemRandom } from '../../src/lib/random.ts';
import { createEngine, type Engine, systemNetwork, workerHasher } from '../../src/torrent/index.ts';
import { encode } from '../../src/torrent/metainfo/index.ts';
import {
  BLOCK_BYTES,
  encodeExtended,
  encodeMessage,
  encodeMetadataRequest,
  type Message,
} from '../../src/torrent/wire/index.ts';
import type { FloodOptions } from '../hostile/flood.worker.ts';
import { waitFor } from '../parts/process.ts';
import { MemoryPieces } from '../simulation/memory-pieces.ts';
import { bytesOf, infoOf } from '../simulation/swarm.ts';

const BYTES = 8 * 1024 * 1024;
const PEERS = 20;
const FLOOD_MILLISECONDS = 1_500;
/** What a turn may cost; longer ones, in which garbage is collected too, may be a small part of all, and ten times that at most. */
const MARK_MILLISECONDS = 20;
const MOST_MILLISECONDS = 200;
const LONG_PART = 0.2;
/** So much is sent at least before a flood is one. */
const LEAST_BYTES = 5_000_000;
/** A turn with less than this was none. */
const LEAST_MILLISECONDS = 0.1;
const CHUNK_BYTES = 60_000;

const content = bytesOf(1, BYTES);
const info = infoOf(content, BLOCK_BYTES);
const hasher = workerHasher(1);
let engine: Engine;
let port: number;

const bytes = (...messages: Message[]) => Buffer.concat(messages.map(encodeMessage));
const repeated = (once: Buffer) => Buffer.alloc(once.length * Math.floor(CHUNK_BYTES / once.length), once);
const asked = (type: 'request' | 'cancel', index: number, begin = 0, length = BLOCK_BYTES): Message => {
  return { type, index, begin, length };
};
const blocks = (from: number, count: number) => Array.from({ length: count }, (_, at) => asked('request', from + at));
const NOTHING = Buffer.alloc(0);
const INTERESTED = bytes({ type: 'interested' });
const TAKES_METADATA = encodeExtended(0, encode({ m: { ut_metadata: 1 } }));
const CHOKES = ['choke', 'unchoke', 'interested', 'notInterested'] as const;
const TINY = Array.from({ length: 3_500 }, (_, at) => asked('request', (at * 7) % 512, (at * 13) % 16_000, 1));
const AGAIN = Array.from({ length: 100 }, (_, at) => [asked('cancel', 400 + at), asked('request', 400 + at)]);

beforeAll(async () => {
  const store = new MemoryPieces({ clock: systemClock, content });
  const parts = { hasher, network: systemNetwork, clock: systemClock, nextTurn, random: systemRandom, log: silentLog };
  engine = createEngine({ ...parts, store, version: '0.1.0' });
  ({ port } = await engine.listen({ addresses: ['127.0.0.1'], port: 0 }));
  engine.add({ infoHash: info.infoHash, info, id: 1, mode: 'seed' });
});
afterAll(async () => {
  await engine.close();
  await hasher.close();
});

/** Processor time of each turn of this thread's event loop while something happens, in milliseconds, sorted. */
async function turnsDuring(during: () => Promise<unknown>): Promise<number[]> {
  const turns: number[] = [];
  let isOver = false;
  let last = process.threadCpuUsage();
  const look = () => {
    if (isOver) return;
    const now = process.threadCpuUsage();
    const milliseconds = (now.user + now.system - last.user - last.system) / 1_000;
    if (milliseconds > LEAST_MILLISECONDS) turns.push(milliseconds);
    last = now;
    setImmediate(look);
  };
  look();
  await during();
  isOver = true;
  return turns.sort((a, b) => a - b);
}

it.each([
  ['choke, interest and have', NOTHING, bytes(...CHOKES.map((type) => ({ type })), { type: 'have', index: 1 }), true],
  ['requests while choked', NOTHING, bytes(...blocks(0, 200)), true],
  ['one block again and again', INTERESTED, bytes(...blocks(0, 1)), true],
  ['requests of a byte each', INTERESTED, bytes(...TINY), false],
  ['cancels in a full queue', Buffer.concat([INTERESTED, bytes(...blocks(0, 500))]), bytes(...AGAIN.flat()), false],
  ['requests for metadata', TAKES_METADATA, encodeMetadataRequest(1, 0), true],
])(
  'a flood of %s leaves the event loop its turns',
  async (name, first, once, reads) => {
    const again = repeated(once);
    const options: FloodOptions = { port, infoHash: info.infoHash, peers: PEERS, first, again, reads };
    let sentBytes = 0;
    const flooding = new Worker(new URL('../hostile/flood.worker.ts', import.meta.url), { workerData: options });
    flooding.on('message', (bytesSoFar: number) => {
      sentBytes = bytesSoFar;
    });
    const turns = await turnsDuring(async () => {
      const begun = performance.now() + 30_000;
      while (sentBytes < LEAST_BYTES && performance.now() < begun) await delay(50);
      await delay(FLOOD_MILLISECONDS);
    });
    await flooding.terminate();
    await waitFor('the flood to end', 10_000, () => engine.stats().connections === 0);
    const sum = (some: readonly number[]) => some.reduce((all, milliseconds) => all + milliseconds, 0);
    const longPart = sum(turns.filter((milliseconds) => milliseconds > MARK_MILLISECONDS)) / sum(turns);
    const most = turns.at(-1) ?? 0;
    process.stderr.write(
      `${name}: ${(100 * longPart).toFixed(0)} % of the time in turns over ${MARK_MILLISECONDS} ms, the longest ${most.toFixed(0)} ms\n`,
    );
    expect(sentBytes).toBeGreaterThan(LEAST_BYTES);
    expect(longPart).toBeLessThan(LONG_PART);
    expect(most).toBeLessThan(MOST_MILLISECONDS);
  },
  60_000,
);
