// A disk that gets full and a store that hangs: told in words, and nothing is lost.
import { writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bae, gatewayStore, type ImportView, showLogsOnFailure, startBae, torrentOf } from '../parts/bae.ts';
import { libtorrent } from '../parts/clients/libtorrent.ts';
import { makeFiles, treeDifferences } from '../parts/content.ts';
import { type Gateway, startGateway } from '../parts/gateway.ts';
import { mountSmall } from '../parts/power.ts';
import { temporaryFolder, waitFor } from '../parts/process.ts';
import { makeTorrent } from '../parts/torrent.ts';

const MIB = 1024 * 1024;

showLogsOnFailure();

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let gateway: Gateway;

beforeAll(async () => {
  [folder, gateway] = await Promise.all([temporaryFolder('outage'), startGateway()]);
});
afterAll(async () => {
  await gateway?.stop();
  await folder?.remove();
});

describe('a full disk', () => {
  it('is told, ends nothing that was there, and the import goes on when there is room', async () => {
    const dataDir = `${folder.path}/small`;
    const disk = await mountSmall(dataDir, 40 * MIB);
    let small: Bae | undefined;
    try {
      small = await startBae({ store: `file:${folder.path}/store-small`, dataDir });
      const filler = `${dataDir}/filler`;
      const tree = await makeFiles({ name: 'full-disk', files: [{ path: '01.flac', length: 60 * MIB }] });
      const torrent = await makeTorrent({ source: tree.folder, path: `${folder.path}/full.torrent` });
      const seed = await libtorrent.seed({
        torrentPath: torrent.path,
        dataDir: dirname(tree.folder),
        uploadBytesPerSecond: 10 * MIB,
      });
      const body = { torrent: torrent.bytes.toString('base64'), peers: [{ host: '127.0.0.1', port: seed.port }] };
      const { id } = await small.api<ImportView>('POST', '/imports', body);
      await waitFor('the import to have begun', 20_000, async () => {
        return ((await small?.api<ImportView>('GET', `/imports/${id}`))?.progress ?? 0) > 0.1;
      });
      await writeFile(filler, Buffer.alloc(40 * MIB)).catch(() => undefined);
      const stuck = await waitFor('the full disk to be told', 40_000, async () => {
        const now = await small?.api<ImportView>('GET', `/imports/${id}`);
        return now !== undefined && /disk/i.test(now.error ?? '') ? now : undefined;
      });
      process.stderr.write(`full disk: ${stuck.state}, retryable ${stuck.retryable}: ${stuck.error}\n`);
      expect(small.running()).toBe(true);
      await disk.grow(400 * MIB);
      if (stuck.state === 'failed') {
        expect(stuck.retryable).toBe(true);
        await small.ask('retry', id);
      }
      await small.untilImport(id, ['done'], 60_000);
      const { uploaded } = await seed.status();
      await seed.stop();
      expect(uploaded).toBeLessThan(torrent.totalBytes + 16 * MIB);
      const target = `${folder.path}/leech-small`;
      const leech = await libtorrent.leech({ torrentPath: torrent.path, downloadDir: target, peers: [small.peer] });
      await leech.untilComplete();
      await leech.stop();
      expect(await treeDifferences(tree.folder, `${target}/${torrent.name}`)).toEqual([]);
      expect((await torrentOf(small, torrent.infoHash)).error).toBeNull();
    } finally {
      await small?.remove();
      await disk.remove();
    }
  });
});

it('a stop with a store that hangs and an import under way still ends within 10 s, and loses nothing', async () => {
  const { store, env } = gatewayStore(gateway, 'hanging');
  const hanging = await startBae({ store, env });
  try {
    const tree = await makeFiles({ name: 'hanging', files: [{ path: '01.flac', length: 30 * MIB }] });
    const torrent = await makeTorrent({ source: tree.folder, path: `${folder.path}/hanging.torrent` });
    const seed = await libtorrent.seed({ torrentPath: torrent.path, dataDir: dirname(tree.folder) });
    await gateway.pause();
    const body = { torrent: torrent.bytes.toString('base64'), peers: [{ host: '127.0.0.1', port: seed.port }] };
    const { id } = await hanging.api<ImportView>('POST', '/imports', body);
    await waitFor('all to be in the spool', 30_000, async () => {
      return (await hanging.api<ImportView>('GET', `/imports/${id}`)).progress > 0.99;
    });
    const { code, milliseconds } = await hanging.stop();
    process.stderr.write(`SIGTERM with a hanging store: ended after ${milliseconds.toFixed(0)} ms\n`);
    expect(code).toBe(0);
    expect(milliseconds).toBeLessThan(10_000);
    await seed.stop('kill');
    await gateway.resume();
    await hanging.start();
    // Nobody has it any more but the spool.
    await hanging.untilImport(id, ['done'], 60_000);
    expect((await torrentOf(hanging, torrent.infoHash)).totalBytes).toBe(torrent.totalBytes);
  } finally {
    await hanging.remove();
  }
});
