// Torrent files for tests, with any piece length, written without bae's own code so that the two can disagree.
import { createHash } from 'node:crypto';
import { open, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { listTree } from './content.ts';

const READ_BYTES = 4 * 1024 * 1024;

type Bencodable = number | string | Buffer | readonly Bencodable[] | { readonly [key: string]: Bencodable | undefined };

/** BEP 3 bencoding; keys of dictionaries are sorted by their bytes, undefined values left out. */
export function bencode(value: Bencodable): Buffer {
  if (typeof value === 'number') return Buffer.from(`i${value}e`);
  if (typeof value === 'string') return bencode(Buffer.from(value));
  if (Buffer.isBuffer(value)) return Buffer.concat([Buffer.from(`${value.length}:`), value]);
  if (Array.isArray(value)) return Buffer.concat([Buffer.from('l'), ...value.map(bencode), Buffer.from('e')]);
  const entries = Object.entries(value as { [key: string]: Bencodable | undefined });
  const sorted = entries
    .flatMap(([key, item]) => (item === undefined ? [] : [[Buffer.from(key), item] as const]))
    .sort(([a], [b]) => Buffer.compare(a, b));
  const parts = sorted.flatMap(([key, item]) => [bencode(key), bencode(item)]);
  return Buffer.concat([Buffer.from('d'), ...parts, Buffer.from('e')]);
}

/** A torrent file and what it means. */
export interface Torrent {
  /** Where the .torrent file lies. */
  readonly path: string;
  readonly bytes: Buffer;
  readonly name: string;
  /** 40 hex digits. */
  readonly infoHash: string;
  readonly infoBytes: Buffer;
  /** With the trackers of the torrent. */
  readonly magnet: string;
  readonly pieceLength: number;
  readonly pieceCount: number;
  /** Of all files, pad files too. */
  readonly totalBytes: number;
  /** Bytes of the concatenated content; `length` is cut at its end. */
  read(offset: number, length: number): Promise<Buffer>;
  /** Writes the concatenated content into one file. */
  writeContent(path: string): Promise<void>;
}

/** Part of the content: a file's bytes, or zeros where `source` is undefined (pad file). */
interface Segment {
  path: string[];
  source: string | undefined;
  offset: number;
  length: number;
}

async function segmentsOf(source: string, pieceLength: number, pad: boolean): Promise<Segment[]> {
  const about = await stat(source);
  if (about.isFile()) return [{ path: [basename(source)], source, offset: 0, length: about.size }];
  const { files } = await listTree(source);
  const segments: Segment[] = [];
  let offset = 0;
  for (const [index, file] of files.entries()) {
    segments.push({ path: file.path.split('/'), source: join(source, file.path), offset, length: file.length });
    offset += file.length;
    const gap = (pieceLength - (offset % pieceLength)) % pieceLength;
    if (pad && gap > 0 && index < files.length - 1) {
      segments.push({ path: ['.pad', String(gap)], source: undefined, offset, length: gap });
      offset += gap;
    }
  }
  return segments;
}

async function readSegments(segments: readonly Segment[], offset: number, length: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (const segment of segments) {
    const from = Math.max(offset, segment.offset);
    const to = Math.min(offset + length, segment.offset + segment.length);
    if (to <= from) continue;
    const part = Buffer.alloc(to - from);
    if (segment.source !== undefined) {
      await using file = await open(segment.source);
      await file.read(part, 0, part.length, from - segment.offset);
    }
    parts.push(part);
  }
  return Buffer.concat(parts);
}

async function hashPieces(segments: readonly Segment[], totalBytes: number, pieceLength: number): Promise<Buffer> {
  const hashes: Buffer[] = [];
  const step = Math.max(1, Math.floor(READ_BYTES / pieceLength)) * pieceLength;
  for (let offset = 0; offset < totalBytes; offset += step) {
    const content = await readSegments(segments, offset, step);
    for (let at = 0; at < content.length; at += pieceLength) {
      hashes.push(
        createHash('sha1')
          .update(content.subarray(at, at + pieceLength))
          .digest(),
      );
    }
  }
  return Buffer.concat(hashes);
}

/**
 * Makes a v1 torrent (BEP 3) of a folder or a single file.
 * `source` is the folder or file; `pieceLength` any whole number of bytes (default 256 KiB); `announce` one URL or tiers
 * (BEP 12); `padFiles` aligns files to pieces (BEP 47); `path` is where to write it (default: beside the source).
 */
export async function makeTorrent(options: {
  source: string;
  path?: string;
  pieceLength?: number;
  announce?: string | readonly (readonly string[])[];
  name?: string;
  private?: boolean;
  padFiles?: boolean;
  extraInfo?: { readonly [key: string]: Bencodable };
}): Promise<Torrent> {
  const { source } = options;
  const pieceLength = options.pieceLength ?? 262_144;
  const name = options.name ?? basename(source);
  const segments = await segmentsOf(source, pieceLength, options.padFiles ?? false);
  const totalBytes = segments.reduce((sum, segment) => sum + segment.length, 0);
  const pieces = await hashPieces(segments, totalBytes, pieceLength);
  const single = (await stat(source)).isFile();
  const files = segments.map(({ path, length, source: file }) => ({
    path,
    length,
    attr: file === undefined ? 'p' : undefined,
  }));
  const infoBytes = bencode({
    ...options.extraInfo,
    name,
    pieces,
    'piece length': pieceLength,
    private: options.private ? 1 : undefined,
    ...(single ? { length: totalBytes } : { files }),
  });
  const tiers = typeof options.announce === 'string' ? [[options.announce]] : (options.announce ?? []);
  const before = bencode({ announce: tiers[0]?.[0], 'announce-list': tiers.length > 0 ? tiers : undefined });
  // The info dictionary goes in as the very bytes that were hashed: "info" sorts after both announce keys.
  const bytes = Buffer.concat([before.subarray(0, -1), bencode('info'), infoBytes, Buffer.from('e')]);
  const path = options.path ?? `${source}.torrent`;
  await writeFile(path, bytes);
  const infoHash = createHash('sha1').update(infoBytes).digest('hex');
  const trackers = tiers.flat().map((url) => `&tr=${encodeURIComponent(url)}`);
  return {
    path,
    bytes,
    name,
    infoHash,
    infoBytes,
    magnet: `magnet:?xt=urn:btih:${infoHash}&dn=${encodeURIComponent(name)}${trackers.join('')}`,
    pieceLength,
    pieceCount: pieces.length / 20,
    totalBytes,
    read: (offset, length) => readSegments(segments, offset, length),
    async writeContent(target) {
      await using file = await open(target, 'w');
      for (let offset = 0; offset < totalBytes; offset += READ_BYTES) {
        await file.write(await readSegments(segments, offset, READ_BYTES));
      }
    },
  };
}
