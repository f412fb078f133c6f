// npm run bench seal: CPU seconds per GB sealed and opened, by suite and segment length, then what the room itself costs.
// docs/decisions/0010-suite-and-segment.md settles the format with these figures.
import { type CipherGCMTypes, createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { WorkerPool } from '../src/lib/pool.ts';
import {
  openChunk,
  SEAL_WORKER_URL,
  SEGMENTS_PER_CHUNK,
  type SealRequest,
  type SealResponse,
  sealChunk,
  sharedSegment,
  workerSealer,
} from '../src/vault/seal/index.ts';

const CHUNK_BYTES = 1_048_576;
const ROUNDS = 5;
/** Each figure is the least of ROUNDS runs over this many bytes, since other work on the machine only ever adds. */
const ROUND_BYTES = 256 * CHUNK_BYTES;
const SUITES = ['aes-256-gcm', 'aes-256-ocb'] as const;
const SEGMENT_KIB = [64, 256, 1024];

/** CPU seconds of the whole process, all threads, per 10^9 bytes. */
async function secondsPerGB(bytes: number, work: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const used = process.cpuUsage(before);
  return (used.user + used.system) / 1e6 / (bytes / 1e9);
}

interface Figure {
  readonly name: string;
  readonly bytes: number;
  readonly work: () => unknown;
}

/** Runs the figures in turn, round after round, so that a busy moment of the machine does not hit one alone. */
async function measure(figures: readonly Figure[]): Promise<Map<string, number>> {
  const best = new Map<string, number>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const { name, bytes, work } of figures) {
      const seconds = await secondsPerGB(bytes, work);
      best.set(name, Math.min(best.get(name) ?? Number.POSITIVE_INFINITY, seconds));
    }
  }
  return best;
}

/** Bare node:crypto, called as envelope.ts calls it. */
function cipherFigures(suite: (typeof SUITES)[number], segmentBytes: number): Figure[] {
  // Node's types know OCB only without a fixed length of its tag.
  const algorithm = suite as CipherGCMTypes;
  const [key, nonce, header] = [randomBytes(32), randomBytes(12), randomBytes(64)];
  const plaintext = randomBytes(segmentBytes);
  const seal = () => {
    const cipher = createCipheriv(algorithm, key, nonce, { authTagLength: 16 });
    cipher.setAAD(header);
    const ciphertext = cipher.update(plaintext);
    cipher.final();
    return { ciphertext, tag: cipher.getAuthTag() };
  };
  const { ciphertext, tag } = seal();
  const open = () => {
    const decipher = createDecipheriv(algorithm, key, nonce, { authTagLength: 16 });
    decipher.setAAD(header);
    decipher.setAuthTag(tag);
    decipher.update(ciphertext);
    decipher.final();
  };
  const times = ROUND_BYTES / segmentBytes;
  const repeat = (call: () => unknown) => () => {
    for (let done = 0; done < times; done++) call();
  };
  const name = `${suite} ${segmentBytes / 1024}`;
  return [
    { name: `${name} seal`, bytes: ROUND_BYTES, work: repeat(seal) },
    { name: `${name} open`, bytes: ROUND_BYTES, work: repeat(open) },
  ];
}

/** The room's own calls, hashes and threads included. */
function roomFigures(path: string, sealer: ReturnType<typeof workerSealer>): Figure[] {
  const ids = { bundleKey: randomBytes(32), libraryId: randomBytes(16), bundleId: randomBytes(16), chunkIndex: 5 };
  const salt = randomBytes(24);
  const plaintext = randomBytes(CHUNK_BYTES);
  const { object } = sealChunk({ ...ids, salt, plaintext });
  writeFileSync(path, object);
  const chunks = ROUND_BYTES / CHUNK_BYTES;
  const repeat = (call: () => unknown) => () => {
    for (let done = 0; done < chunks; done++) call();
  };
  const fromFile = (segments: number) => async () => {
    let next = 0;
    const lane = async () => {
      const into = Array.from({ length: segments }, sharedSegment);
      for (; next < chunks * (SEGMENTS_PER_CHUNK / segments); next++) {
        await sealer.openFile({ ...ids, salt, path, firstSegment: 0, endSegment: segments, into });
      }
    };
    await Promise.all([lane(), lane(), lane(), lane()]);
  };
  const bytes = ROUND_BYTES;
  return [
    { name: 'sealChunk, with its SHA-256', bytes, work: repeat(() => sealChunk({ ...ids, salt, plaintext })) },
    { name: 'openChunk', bytes, work: repeat(() => openChunk(object, ids)) },
    { name: 'openFile in a worker, 4 segments a call', bytes, work: fromFile(4) },
    { name: 'openFile in a worker, 1 segment a call', bytes, work: fromFile(1) },
  ];
}

const folder = mkdtempSync(join(tmpdir(), 'bae-bench-seal-'));
const pool = new WorkerPool<SealRequest, SealResponse>({ url: SEAL_WORKER_URL, name: 'seal', size: 1 });
try {
  const grid = SUITES.flatMap((suite) => SEGMENT_KIB.flatMap((kib) => cipherFigures(suite, kib * 1024)));
  const best = await measure([...grid, ...roomFigures(join(folder, 'object'), workerSealer(pool))]);
  const figure = (name: string) => (best.get(name) ?? Number.NaN).toFixed(2);
  console.log(`CPU seconds per GB, least of ${ROUNDS} runs; ${cpus()[0]?.model}, Node ${process.version}`);
  console.log(`\n${'suite'.padEnd(14)}${SEGMENT_KIB.map((kib) => `${kib} KiB seal  open`.padStart(22)).join('')}`);
  for (const suite of SUITES) {
    const cells = SEGMENT_KIB.map((kib) => `${figure(`${suite} ${kib} seal`)}  ${figure(`${suite} ${kib} open`)}`);
    console.log(`${suite.padEnd(14)}${cells.map((cell) => cell.padStart(22)).join('')}`);
  }
  console.log();
  for (const [name] of [...best].slice(grid.length)) console.log(`${name.padEnd(42)}${figure(name)}`);
} finally {
  await pool.close();
  rmSync(folder, { recursive: true });
}
