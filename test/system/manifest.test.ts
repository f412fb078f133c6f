// What a person sets is in the bucket: a stranger's reader, with nothing but bucket and key, sees the newest of it.
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeLibrary } from '../format/decode.ts';
import { type Bae, type ImportView, showLogsOnFailure, startBae, torrentOf } from '../parts/bae.ts';
import { libtorrent } from '../parts/clients/index.ts';
import { makeFiles } from '../parts/content.ts';
import { temporaryFolder, waitFor } from '../parts/process.ts';
import { makeTorrent } from '../parts/torrent.ts';

const FILE_BYTES = 1_500_000;
/** The delay is two seconds; a busy machine may take ten times that. */
const MAX_MILLISECONDS = 20_000;
/** The whole stop, by the design. */
const STOP_MILLISECONDS = 10_000;
const NO_LIMITS = { uploadBytesPerSecond: 0, downloadBytesPerSecond: 0 };
const ANNOUNCE = 'http://127.0.0.1:9/announce';

showLogsOnFailure();

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let bae: Bae;
let id: string;
let decodings = 0;

beforeAll(async () => {
  folder = await temporaryFolder('manifest');
  const files = [{ path: '01 - One.flac', length: FILE_BYTES }];
  const tree = await makeFiles({ name: 'Artist - Album (2001)', seed: 'manifest', files });
  const torrent = await makeTorrent({ source: tree.folder, path: `${folder.path}/one.torrent`, announce: ANNOUNCE });
  bae = await startBae({ store: `file:${folder.path}/store` });
  const seed = await libtorrent.seed({ torrentPath: torrent.path, dataDir: dirname(tree.folder) });
  await bae.ask<ImportView>('import', torrent.path, '--peer', `127.0.0.1:${seed.port}`, '--wait');
  await seed.stop();
  ({ id } = await torrentOf(bae, torrent.infoHash));
});
afterAll(async () => {
  await bae?.remove();
  await folder?.remove();
});

/** The library's one bundle, read from bucket and key alone. */
async function decoded() {
  const out = `${folder.path}/decoded-${++decodings}`;
  const [bundle] = await decodeLibrary(join(bae.dataDir, 'library.key'), `${folder.path}/store`, out);
  if (bundle === undefined) throw new Error('the bucket has no bundle');
  return { generation: bundle.generation, seeding: bundle.settings[0]?.seeding, bundle };
}

describe('the newest manifest in the bucket', () => {
  it('has the release, the trackers and how the torrent is seeded', async () => {
    const { generation, seeding, bundle } = await decoded();
    expect([generation, seeding]).toEqual([1, { seeding: true, cacheMode: 'on-demand', ...NO_LIMITS }]);
    expect(bundle.settings[0]?.trackers).toEqual([[ANNOUNCE]]);
    expect(bundle.releases).toMatchObject([
      { title: 'Album', artist: 'Artist', year: 2001, tracks: [{ title: 'One' }] },
    ]);
  });

  it('says soon that seeding was stopped, however often that was decided', async () => {
    for (let at = 0; at < 10; at++)
      for (const action of ['stop', 'start']) await bae.api('POST', `/torrents/${id}/seeding/${action}`);
    await bae.ask('seed', 'stop', id);
    const isOff = async () => {
      const now = await decoded();
      return JSON.stringify(now.seeding).includes('"seeding":false') ? now : undefined;
    };
    const { generation, bundle } = await waitFor('the manifest to say stopped', MAX_MILLISECONDS, isOff);
    expect(generation).toBeLessThan(8);
    expect(bundle.settings[0]?.trackers).toEqual([[ANNOUNCE]]);
    expect(bundle.releases).toMatchObject([{ title: 'Album' }]);
  });

  it('has at the stop what was set a moment before', async () => {
    await bae.ask('seed', 'pin', id);
    const { code, milliseconds } = await bae.stop();
    expect(code).toBe(0);
    expect(milliseconds).toBeLessThan(STOP_MILLISECONDS);
    expect((await decoded()).seeding).toEqual({ seeding: false, cacheMode: 'pinned', ...NO_LIMITS });
  });

  it('comes at the next start when SIGKILL was faster', async () => {
    await bae.start();
    const { generation } = await decoded();
    await bae.ask('seed', 'start', id);
    await bae.ask('set', id, 'upload=500KB');
    await bae.kill();
    await bae.start();
    const now = await waitFor('a new generation', MAX_MILLISECONDS, async () => {
      const found = await decoded();
      return found.generation > generation ? found : undefined;
    });
    const limits = { uploadBytesPerSecond: 500_000, downloadBytesPerSecond: 0 };
    expect(now.seeding).toEqual({ seeding: true, cacheMode: 'pinned', ...limits });
  });
});
