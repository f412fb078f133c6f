// Deterministic content for tests: albums of FLAC files, odd file trees, and comparing trees.
import { spawn } from 'node:child_process';
import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { cp, mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** Audio CD: 44,100 samples a second, 2 channels of 16 bits, 75 frames a second of 588 samples. */
const BYTES_PER_SAMPLE = 4;
const SAMPLES_PER_FRAME = 588;
const COPY_BYTES = 1024 * 1024;
/** Part of each cache key: raised when what is made changes. */
const CONTENT_VERSION = 1;

/** A folder of files whose bytes depend on nothing but the arguments it was made from. */
export interface Tree {
  /** Absolute path; its last part is the tree's name. */
  readonly folder: string;
  /** Relative paths with `/`, sorted, and lengths in bytes. */
  readonly files: readonly { path: string; length: number }[];
  readonly totalBytes: number;
}

/** `length` bytes that do not compress and follow from `seed` alone (AES-128 in counter mode), chunk by chunk. */
export function* noise(seed: string, length: number): Generator<Buffer> {
  const key = createHash('sha256').update(seed).digest();
  const cipher = createCipheriv('aes-128-ctr', key.subarray(0, 16), key.subarray(16));
  const zeros = Buffer.alloc(Math.min(COPY_BYTES, length));
  for (let made = 0; made < length; made += zeros.length) {
    yield cipher.update(zeros.subarray(0, Math.min(zeros.length, length - made)));
  }
}

/** Encodes noise as one FLAC file of `samples` samples; noise is stored verbatim, so size is 4 bytes a sample and a little. */
async function makeFlac(path: string, seed: string, samples: number, tags: Record<string, string>): Promise<void> {
  const format = ['--force-raw-format', '--endian=little', '--sign=signed', '--channels=2', '--bps=16'];
  const tagFlags = Object.entries(tags).map(([name, value]) => `--tag=${name}=${value}`);
  const rest = ['--sample-rate=44100', '-0', '--silent', '--no-padding', ...tagFlags, '-o', path, '-'];
  const flac = spawn('flac', [...format, ...rest], { stdio: ['pipe', 'ignore', 'inherit'] });
  const ended = new Promise<number | null>((resolve, reject) => {
    flac.once('exit', resolve);
    flac.once('error', reject);
  });
  const [, code] = await Promise.all([
    pipeline(Readable.from(noise(seed, samples * BYTES_PER_SAMPLE)), flac.stdin),
    ended,
  ]);
  if (code !== 0) throw new Error(`flac could not encode ${path}: exit code ${code}`);
}

/** The files under `folder`, sorted by path. */
export async function listTree(folder: string): Promise<Tree> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const files = await Promise.all(
    paths.map(async (path) => ({ path: relative(folder, path), length: (await stat(path)).size })),
  );
  files.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  return { folder, files, totalBytes: files.reduce((sum, file) => sum + file.length, 0) };
}

/**
 * A tree made once on this machine and kept in the temporary folder under a key of its recipe.
 * Without `dir` the caller gets the kept one, which it must not change; with `dir`, a copy in there.
 */
async function kept(name: string, recipe: unknown, dir: string | undefined, make: (folder: string) => Promise<void>) {
  const key = createHash('sha256')
    .update(JSON.stringify([CONTENT_VERSION, name, recipe]))
    .digest('hex')
    .slice(0, 16);
  const home = join(tmpdir(), `bae-content-${key}`);
  const folder = join(home, name);
  if ((await stat(folder).catch(() => undefined)) === undefined) {
    const fresh = `${home}.${randomBytes(4).toString('hex')}`;
    await mkdir(join(fresh, name), { recursive: true });
    await make(join(fresh, name));
    // Two makers at once: the first rename wins, the bytes are the same.
    await rename(fresh, home).catch(() => rm(fresh, { recursive: true }));
  }
  if (dir === undefined) return listTree(folder);
  await cp(folder, join(dir, name), { recursive: true });
  return listTree(join(dir, name));
}

/**
 * An album of tagged FLAC files (noise, so that they do not compress; whole CD frames) with a playlist and a text file.
 * `megabytes` (10^6 bytes) is met within 1 %. Made once per recipe and kept; see `dir` in `kept`.
 */
export async function makeAlbum(options: {
  megabytes: number;
  tracks: number;
  dir?: string;
  name?: string;
  seed?: string;
}): Promise<Tree> {
  const { megabytes, tracks, dir } = options;
  const seed = options.seed ?? 'album';
  const name = options.name ?? 'Test Artist - Noise (2001) [FLAC]';
  const frames = Math.ceil((megabytes * 1e6) / tracks / BYTES_PER_SAMPLE / SAMPLES_PER_FRAME);
  return kept(name, { megabytes, tracks, seed }, dir, async (folder) => {
    const titles: string[] = [];
    for (let track = 1; track <= tracks; track++) {
      const number = String(track).padStart(2, '0');
      const file = `${number} - Noise ${track}.flac`;
      const tags = {
        ARTIST: 'Test Artist',
        ALBUM: 'Noise',
        DATE: '2001',
        TRACKNUMBER: String(track),
        TITLE: `Noise ${track}`,
      };
      await makeFlac(join(folder, file), `${seed}/${track}`, frames * SAMPLES_PER_FRAME, tags);
      titles.push(file);
    }
    await writeFile(join(folder, 'playlist.m3u8'), `#EXTM3U\n${titles.join('\n')}\n`);
    await writeFile(
      join(folder, 'notes.txt'),
      `Test Artist - Noise, ${tracks} tracks of noise from the seed ${seed}.\n`,
    );
  });
}

/**
 * Files of noise with the paths (`/` separates folders) and lengths given, empty ones too.
 * With `dir` they are made in there, in `name`; without, once per recipe, and kept: the caller must not change them.
 */
export async function makeFiles(options: {
  files: readonly { path: string; length: number }[];
  dir?: string;
  name?: string;
  seed?: string;
}): Promise<Tree> {
  const { dir, files, name = 'files', seed = 'files' } = options;
  const make = async (folder: string) => {
    for (const file of files) {
      const path = join(folder, file.path);
      await mkdir(dirname(path), { recursive: true });
      await pipeline(Readable.from(noise(`${seed}/${file.path}`, file.length)), createWriteStream(path));
    }
  };
  if (dir === undefined) return kept(name, { files, seed }, undefined, make);
  await make(join(dir, name));
  return listTree(join(dir, name));
}

/** Position of the first byte in which two files of equal length differ, or undefined. */
async function firstDifference(a: string, b: string): Promise<number | undefined> {
  await using left = await open(a);
  await using right = await open(b);
  const buffers = [Buffer.allocUnsafe(COPY_BYTES), Buffer.allocUnsafe(COPY_BYTES)] as const;
  for (let offset = 0; ; ) {
    const [read, readRight] = await Promise.all([
      left.read(buffers[0], 0, COPY_BYTES, offset),
      right.read(buffers[1], 0, COPY_BYTES, offset),
    ]);
    const length = Math.min(read.bytesRead, readRight.bytesRead);
    if (length === 0) return undefined;
    if (buffers[0].compare(buffers[1], 0, length, 0, length) !== 0) {
      for (let at = 0; at < length; at++) if (buffers[0][at] !== buffers[1][at]) return offset + at;
    }
    offset += length;
  }
}

/**
 * Compares two folders (or two files) byte for byte. Returns a sentence for each file that is missing, too many or
 * different; an empty array means equal. Pad files (BEP 47, `.pad/`) in `actual` do not count.
 */
export async function treeDifferences(expected: string, actual: string): Promise<string[]> {
  if ((await stat(expected)).isFile()) {
    const folders = [dirname(expected), dirname(actual)] as const;
    return compareFile(folders[0], folders[1], basename(expected), basename(actual));
  }
  if ((await stat(actual).catch(() => undefined)) === undefined) return [`${actual} is missing`];
  const [want, got] = await Promise.all([listTree(expected), listTree(actual)]);
  const wanted = new Set(want.files.map((file) => file.path));
  const extra = got.files.filter((file) => !wanted.has(file.path) && !file.path.startsWith('.pad/'));
  const found = extra.map((file) => `${file.path} is too many`);
  for (const file of want.files) found.push(...(await compareFile(expected, actual, file.path, file.path)));
  return found;
}

async function compareFile(expected: string, actual: string, path: string, actualPath: string): Promise<string[]> {
  const want = await stat(join(expected, path));
  const got = await stat(join(actual, actualPath)).catch(() => undefined);
  // Some clients do not create empty files.
  if (got === undefined) return want.size === 0 ? [] : [`${path} is missing`];
  if (got.size !== want.size) return [`${path} has ${got.size} bytes, not ${want.size}`];
  const at = await firstDifference(join(expected, path), join(actual, actualPath));
  return at === undefined ? [] : [`${path} differs from byte ${at} on`];
}
