// The codecs against real programs: torrent files that others write, and a libtorrent seed read from with them alone.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseInfo, parseMagnet, parseTorrentFile } from '../../src/torrent/metainfo/index.ts';
import {
  BLOCK_BYTES,
  decodeExtensionHandshake,
  decodeMetadataMessage,
  encodeExtensionHandshake,
  encodeHandshake,
  encodeInterested,
  encodeMetadataRequest,
  encodeRequests,
  HandshakeDecoder,
  METADATA_PIECE_BYTES,
  type Message,
  MessageDecoder,
  messageSink,
} from '../../src/torrent/wire/index.ts';
import { type LibtorrentPeer, libtorrent } from '../parts/clients/libtorrent.ts';
import { makeFiles, type Tree } from '../parts/content.ts';
import { PYTHON } from '../parts/install.ts';
import { temporaryFolder } from '../parts/process.ts';
import { makeTorrent, type Torrent } from '../parts/torrent.ts';

const run = promisify(execFile);
const PIECE_LENGTH = 100_000;
const METADATA_ID = 7;

let tree: Tree;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let torrent: Torrent;
let seed: LibtorrentPeer;

beforeAll(async () => {
  const files = [
    { path: 'CD 1/01 é.flac', length: 3_000_000 },
    { path: 'empty.txt', length: 0 },
    { path: 'notes.txt', length: 12_345 },
  ];
  tree = await makeFiles({ name: 'wire', files });
  folder = await temporaryFolder('wire');
  torrent = await makeTorrent({ source: tree.folder, path: `${folder.path}/a.torrent`, pieceLength: PIECE_LENGTH });
  seed = await libtorrent.seed({ torrentPath: torrent.path, dataDir: dirname(tree.folder) });
});
afterAll(async () => {
  await seed?.stop();
  await folder?.remove();
});

/** A leecher of a few lines: what comes from the seed, one message at a time. */
class Leecher {
  readonly #socket: Socket;
  readonly #messages: Message[] = [];
  #wake: () => void = () => undefined;
  #failure: Error | null = null;

  constructor(port: number, infoHash: Buffer) {
    this.#socket = connect(port, '127.0.0.1');
    const handshake = new HandshakeDecoder();
    const decoder = new MessageDecoder({ pieceCount: null, fast: true, extended: true });
    const sink = messageSink((message) => this.#messages.push(message));
    this.#socket.on('data', (chunk) => {
      try {
        const rest = handshake.push(chunk);
        if (handshake.handshake !== null) decoder.push(rest, sink);
      } catch (error) {
        this.#failure = error as Error;
      }
      this.#wake();
    });
    this.#socket.on('close', () => {
      this.#failure ??= new Error('the seed hung up');
      this.#wake();
    });
    const features = { extended: true, fast: true, dht: false };
    this.send(encodeHandshake({ infoHash, peerId: Buffer.from('-BA0100-123456789012'), features }));
  }

  send(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  /** The next message of a type; what comes before it is dropped. */
  async next<T extends Message['type']>(type: T): Promise<Extract<Message, { type: T }>> {
    for (;;) {
      const message = this.#messages.shift();
      if (message?.type === type) return message as Extract<Message, { type: T }>;
      if (message !== undefined) continue;
      if (this.#failure !== null) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}

async function fetchMetadata(leecher: Leecher): Promise<Buffer> {
  const hello = decodeExtensionHandshake((await leecher.next('extended')).payload);
  const size = hello.metadataSize ?? 0;
  expect(hello.client).toMatch(/^libtorrent/);
  leecher.send(encodeExtensionHandshake({ messages: new Map([['ut_metadata', METADATA_ID]]), client: 'bae 0.1.0' }));
  const parts: Buffer[] = [];
  for (let piece = 0; piece * METADATA_PIECE_BYTES < size; piece++) {
    leecher.send(encodeMetadataRequest(hello.messages.get('ut_metadata') ?? 0, piece));
    let message = await leecher.next('extended');
    while (message.id !== METADATA_ID) message = await leecher.next('extended');
    const answer = decodeMetadataMessage(message.payload);
    if (answer?.type !== 'data') throw new Error('no metadata came');
    parts.push(answer.data);
  }
  return Buffer.concat(parts);
}

describe('a libtorrent seed', () => {
  it('gives metadata and every piece to a peer made of the codecs', async () => {
    const { infoHash } = parseMagnet(torrent.magnet);
    const leecher = new Leecher(seed.port, infoHash);
    try {
      const info = parseInfo(await fetchMetadata(leecher));
      expect(info.infoHash).toEqual(infoHash);
      expect(info.totalLength).toBe(torrent.totalBytes);
      leecher.send(encodeInterested());
      await leecher.next('unchoke');
      for (let index = 0; index < info.pieceCount; index++) {
        const blocks = [];
        for (let begin = 0; begin < info.pieceBytes(index); begin += BLOCK_BYTES) {
          blocks.push({ index, begin, length: Math.min(BLOCK_BYTES, info.pieceBytes(index) - begin) });
        }
        leecher.send(encodeRequests(blocks));
        const piece = Buffer.alloc(info.pieceBytes(index));
        for (const _ of blocks) {
          const block = await leecher.next('piece');
          expect(block.index).toBe(index);
          block.data.copy(piece, block.begin);
        }
        expect(createHash('sha1').update(piece).digest()).toEqual(info.pieceHash(index));
      }
    } finally {
      leecher.close();
    }
  });
});

const WRITE_WITH_LIBTORRENT = `
import sys, libtorrent as lt
source, parent, target, flags = sys.argv[1:4] + [int(sys.argv[4])]
files = lt.file_storage(); lt.add_files(files, source)
made = lt.create_torrent(files, 65536, flags)
made.add_tracker('http://127.0.0.1:1/announce', 0); made.add_tracker('udp://127.0.0.1:2/announce', 1)
made.set_priv(True); lt.set_piece_hashes(made, parent)
open(target, 'wb').write(lt.bencode(made.generate()))`;
const READ_WITH_LIBTORRENT = `
import sys, json, libtorrent as lt
read = lt.torrent_info(sys.argv[1]); files = read.files()
print(json.dumps([str(read.info_hashes().v1), read.num_pieces(), files.total_size(),
  [[files.file_path(i), files.file_size(i), files.file_offset(i)] for i in range(files.num_files())]]))`;

/** What libtorrent reads from a torrent file, and what we do, in one shape. */
async function bothReadings(path: string): Promise<{ theirs: unknown; ours: unknown }> {
  const { stdout } = await run(PYTHON, ['-c', READ_WITH_LIBTORRENT, path]);
  const { info } = parseTorrentFile(await readFile(path));
  const files = info.files.map((file) => {
    const parts = info.isSingleFile ? file.path : [info.name, ...file.path];
    return [parts.join('/'), file.length, file.offset];
  });
  return {
    theirs: JSON.parse(stdout),
    ours: [info.infoHash.toString('hex'), info.pieceCount, info.totalLength, files],
  };
}

describe('torrent files of other programs are read as libtorrent reads them', () => {
  const target = (name: string) => `${folder.path}/${name}.torrent`;

  it('mktorrent, a folder and a single file', async () => {
    await run('mktorrent', ['-l', '16', '-p', '-a', 'http://a/x', '-o', target('mk'), tree.folder]);
    await run('mktorrent', ['-l', '15', '-o', target('mk-one'), `${tree.folder}/notes.txt`]);
    for (const name of ['mk', 'mk-one']) {
      const { theirs, ours } = await bothReadings(target(name));
      expect(ours).toEqual(theirs);
    }
  });

  it('transmission-create', async () => {
    await run('transmission-create', ['-p', '-t', 'http://a/x', '-o', target('transmission'), tree.folder]);
    const { theirs, ours } = await bothReadings(target('transmission'));
    expect(ours).toEqual(theirs);
  });

  it('libtorrent, version 1 and hybrid; version 2 alone is refused in words', async () => {
    for (const [name, flags] of Object.entries({ v1: 64, hybrid: 0, v2: 32 })) {
      const script = ['-c', WRITE_WITH_LIBTORRENT, tree.folder, dirname(tree.folder), target(name), String(flags)];
      await run(PYTHON, script);
    }
    for (const name of ['v1', 'hybrid']) {
      const { theirs, ours } = await bothReadings(target(name));
      expect(ours).toEqual(theirs);
    }
    const { trackers, info } = parseTorrentFile(await readFile(target('hybrid')));
    expect(trackers).toEqual([['http://127.0.0.1:1/announce'], ['udp://127.0.0.1:2/announce']]);
    expect([info.isPrivate, info.files.some((file) => file.isPad)]).toEqual([true, true]);
    const versionTwo = await readFile(target('v2'));
    expect(() => parseTorrentFile(versionTwo)).toThrow('version 2 only');
  });
});
