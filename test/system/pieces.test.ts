// Every piece length that torrents have, odd ones too, through import and seeding by real peers.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bae, type ImportView, showLogsOnFailure, startBae, torrentOf } from '../parts/bae.ts';
import { type LibtorrentSession, startLibtorrent } from '../parts/clients/libtorrent.ts';
import { makeFiles, type Tree, treeDifferences } from '../parts/content.ts';
import { temporaryFolder, waitFor } from '../parts/process.ts';
import { makeTorrent, type Torrent } from '../parts/torrent.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const PIECE_LENGTHS = [16 * KIB, 256 * KIB, MIB, 4 * MIB, 16 * MIB, 300_000];
/** Two of the largest pieces and a last one that is short; ends in the middle of a chunk. */
const LARGE_FILE_BYTES = 33 * MIB + 12_345;
const SMALL_FILE_BYTES = 9 * MIB + 77_777;
const MAX_MILLISECONDS = 120_000;

showLogsOnFailure();

interface Sample {
  tree: Tree;
  torrent: Torrent;
}

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let bae: Bae;
let seed: LibtorrentSession;
let samples: Sample[];

/** Files whose borders fall on no piece or chunk, an empty one, one of a byte, and pad files for one length. */
async function makeSample(pieceLength: number): Promise<Sample> {
  const large = pieceLength > 4 * MIB ? LARGE_FILE_BYTES : SMALL_FILE_BYTES;
  const files = [
    { path: 'a/empty.txt', length: 0 },
    { path: 'a/one.txt', length: 1 },
    { path: 'b/large.flac', length: large },
    { path: 'c/rest.flac', length: 123_456 },
  ];
  const name = `pieces-${pieceLength}`;
  const tree = await makeFiles({ name, seed: name, files });
  const path = `${folder.path}/${name}.torrent`;
  return {
    tree,
    torrent: await makeTorrent({ source: tree.folder, path, pieceLength, padFiles: pieceLength === MIB }),
  };
}

beforeAll(async () => {
  folder = await temporaryFolder('pieces');
  samples = await Promise.all(PIECE_LENGTHS.map(makeSample));
  [seed, bae] = await Promise.all([startLibtorrent(), startBae({ store: `file:${folder.path}/store` })]);
  for (const { tree, torrent } of samples) {
    await seed.add({ torrent: torrent.path, folder: tree.folder.slice(0, -torrent.name.length), seed: true });
  }
});
afterAll(async () => {
  await Promise.all([seed?.stop(), bae?.remove()]);
  await folder?.remove();
});

describe('pieces of every length', () => {
  it('are imported, side by side', async () => {
    const peers = [{ host: '127.0.0.1', port: seed.port }];
    const started = await Promise.all(
      samples.map(({ torrent }) =>
        bae.api<ImportView>('POST', '/imports', { torrent: torrent.bytes.toString('base64'), peers, asIs: true }),
      ),
    );
    await Promise.all(started.map(({ id }) => bae.untilImport(id, ['done'], MAX_MILLISECONDS)));
    for (const { torrent } of samples) {
      const { pieceLength, pieceCount, totalBytes } = torrent;
      const view = await torrentOf(bae, torrent.infoHash);
      expect(view).toMatchObject({ pieceLength, pieceCount, totalBytes, error: null });
    }
    await seed.stop();
  });

  it('are served again after a restart, byte for byte', async () => {
    expect((await bae.stop()).code).toBe(0);
    await bae.start();
    const leech = await startLibtorrent({ address: '127.0.0.2' });
    const target = `${folder.path}/leech`;
    try {
      const [host = '', port] = bae.peer.split(':');
      for (const { torrent } of samples) {
        await leech.add({ torrent: torrent.path, folder: target, peers: [[host, Number(port)]] });
      }
      await Promise.all(
        samples.map(({ torrent }) =>
          waitFor(`pieces of ${torrent.pieceLength}`, MAX_MILLISECONDS, async () => {
            const { seeding, failed } = await leech.status(torrent.infoHash);
            expect(failed).toBe(0);
            return seeding;
          }),
        ),
      );
    } finally {
      await leech.stop();
    }
    for (const { tree, torrent } of samples) {
      expect(await treeDifferences(tree.folder, `${target}/${torrent.name}`)).toEqual([]);
    }
  });
});
