// npm run bench db [-- --rows N]: what a chunk's row weighs on disk, and how fast rows come in and are found.
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CHUNK_STORED, type Database, openDatabase } from '../src/db/index.ts';
import { systemClock } from '../src/lib/clock.ts';
import { seededRandom } from '../src/lib/random.ts';

/** The mark: bytes on disk for each chunk, at ten million. */
const MAX_BYTES_PER_CHUNK = 100;
const CHUNKS_PER_BUNDLE = 5000;
const ROWS_PER_INSERT = 100;
const INSERTS_PER_BATCH = 200;
/** Imports under way at the same time, each closing its chunks out of order. */
const IMPORTS_AT_ONCE = 4;
const LOOKUPS = 2000;

const random = seededRandom(1);

async function makeBundle(database: Database, chunkCount: number): Promise<number> {
  const { id } = await database.db
    .insertInto('bundles')
    .values({
      bundle_id: random.bytes(16),
      wrapped_key: random.bytes(60),
      total_length: chunkCount * 2 ** 20,
      chunk_count: chunkCount,
      state: 'committed',
      created_at: 0,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}

/** 0 … count-1 as an import closes chunks: rarest first, but never far from all over. */
function shuffled(count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  for (let index = count - 1; index > 0; index--) {
    const other = random.int(index + 1);
    const kept = order[index] as number;
    order[index] = order[other] as number;
    order[other] = kept;
  }
  return order;
}

/** Yields [bundle, chunk index] as several imports at once make them. */
async function* chunkKeys(database: Database, rows: number): AsyncGenerator<[number, number]> {
  for (let made = 0; made < rows; ) {
    const open: { id: number; order: Uint32Array }[] = [];
    for (let i = 0; i < IMPORTS_AT_ONCE && made < rows; i++) {
      const count = Math.min(CHUNKS_PER_BUNDLE, rows - made);
      open.push({ id: await makeBundle(database, count), order: shuffled(count) });
      made += count;
    }
    for (let step = 0; step < CHUNKS_PER_BUNDLE; step++) {
      for (const { id, order } of open) if (step < order.length) yield [id, order[step] as number];
    }
  }
}

async function insertChunks(database: Database, rows: number): Promise<void> {
  // Compiled once; only the parameters change.
  const row = { bundle: 0, chunk_index: 0, state: CHUNK_STORED, name: Buffer.alloc(32), salt: Buffer.alloc(24) };
  const insert = (count: number) =>
    database.db
      .insertInto('chunks')
      .values(Array.from({ length: count }, () => row))
      .compile();
  const full = insert(ROWS_PER_INSERT);
  const randomness = random.bytes(1 << 20);
  let parameters: unknown[] = [];
  let batch: (typeof full)[] = [];
  const flushInsert = () => {
    const count = parameters.length / 5;
    if (count > 0) batch.push({ ...(count === ROWS_PER_INSERT ? full : insert(count)), parameters });
    parameters = [];
  };
  const flushBatch = async () => {
    await database.batch(batch.map((query) => ({ compile: () => query })));
    batch = [];
  };
  for await (const [bundle, index] of chunkKeys(database, rows)) {
    const at = random.int(randomness.length - 56);
    const salt = randomness.subarray(at + 32, at + 56);
    parameters.push(bundle, index, CHUNK_STORED, randomness.subarray(at, at + 32), salt);
    if (parameters.length === ROWS_PER_INSERT * 5) flushInsert();
    if (batch.length === INSERTS_PER_BATCH) await flushBatch();
  }
  flushInsert();
  await flushBatch();
}

/** Mean microseconds of one lookup, and of one bundle's whole chunk list. */
async function lookups(database: Database, rows: number): Promise<{ one: number; bundle: number }> {
  const bundles = Math.ceil(rows / CHUNKS_PER_BUNDLE);
  const chunks = database.db.selectFrom('chunks');
  const start = systemClock.monotonic();
  for (let i = 0; i < LOOKUPS; i++) {
    const bundle = 1 + random.int(bundles);
    await chunks
      .select(['name', 'salt'])
      .where('bundle', '=', bundle)
      .where('chunk_index', '=', random.int(CHUNKS_PER_BUNDLE))
      .execute();
  }
  const middle = systemClock.monotonic();
  const lists = 20;
  for (let i = 0; i < lists; i++) {
    await chunks
      .select(['chunk_index', 'state', 'name', 'salt'])
      .where('bundle', '=', 1 + random.int(bundles))
      .execute();
  }
  const end = systemClock.monotonic();
  return { one: ((middle - start) * 1000) / LOOKUPS, bundle: ((end - middle) * 1000) / lists };
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { rows: { type: 'string', default: '10000000' } } });
  const rows = Number(values.rows);
  if (!Number.isSafeInteger(rows) || rows < 1) throw new RangeError('--rows takes a whole number above 0');
  const folder = await mkdtemp(join(tmpdir(), 'bae-bench-db-'));
  try {
    const file = join(folder, 'bae.db');
    const database = await openDatabase(`sqlite:${file}`, { clock: systemClock });
    const start = systemClock.monotonic();
    await insertChunks(database, rows);
    const seconds = (systemClock.monotonic() - start) / 1000;
    const found = await lookups(database, rows);
    await database.close();
    const perChunk = (await stat(file)).size / rows;
    console.log(`chunks            ${rows}, closed out of order by ${IMPORTS_AT_ONCE} imports at once`);
    console.log(`bytes per chunk   ${perChunk.toFixed(1)} (mark: ${MAX_BYTES_PER_CHUNK})`);
    console.log(`inserted          ${Math.round(rows / seconds)} rows/s, ${seconds.toFixed(1)} s`);
    console.log(`one chunk found   ${found.one.toFixed(0)} µs, there and back through the worker`);
    console.log(`a bundle's list   ${(found.bundle / 1000).toFixed(1)} ms for ${CHUNKS_PER_BUNDLE} chunks`);
    if (perChunk > MAX_BYTES_PER_CHUNK) process.exitCode = 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

await main();
