// A download's end at a private tracker that counts it, whatever becomes of the request or of its answer.
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bae, type ImportView, showLogsOnFailure, startBae, type TorrentDetail, torrentOf } from '../parts/bae.ts';
import { type LibtorrentPeer, libtorrent } from '../parts/clients/libtorrent.ts';
import { makeFiles } from '../parts/content.ts';
import { type PrivateTracker, startPrivateTracker } from '../parts/private-tracker.ts';
import { temporaryFolder, waitFor } from '../parts/process.ts';
import { makeTorrent, type Torrent } from '../parts/torrent.ts';

const OURS = 'a1b2c3d4e5f60718293a4b5c6d7e8f90';
const BYTES = 1024 * 1024 + 77;
/** The first pause after a failure, with its jitter, on a busy machine. */
const AGAIN_MILLISECONDS = 60_000;

showLogsOnFailure();

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let tracker: PrivateTracker;
let bae: Bae;

beforeAll(async () => {
  [folder, tracker] = await Promise.all([temporaryFolder('completed'), startPrivateTracker()]);
  tracker.rules.addUser(OURS);
  bae = await startBae({ store: `file:${folder.path}/store` });
});
afterAll(async () => {
  await Promise.all([bae?.remove(), tracker?.stop()]);
  await folder?.remove();
});

/** A torrent of this tracker and who seeds it. */
async function offered(name: string): Promise<{ torrent: Torrent; seed: LibtorrentPeer }> {
  const tree = await makeFiles({ name, seed: name, files: [{ path: '01.flac', length: BYTES }] });
  const made = (path: string, more: { announce?: string }) =>
    makeTorrent({ source: tree.folder, path: `${folder.path}/${path}.torrent`, private: true, ...more });
  const torrent = await made(name, { announce: tracker.url(OURS) });
  tracker.rules.register(torrent.infoHash);
  // The seed is given by hand, and tells the tracker nothing.
  const { path: torrentPath } = await made(`${name}-seed`, {});
  return { torrent, seed: await libtorrent.seed({ torrentPath, dataDir: dirname(tree.folder) }) };
}

/** All that came of a torrent, with whether it was taken. */
const heard = ({ infoHash }: Torrent) =>
  tracker.announces
    .filter((one) => one.infoHash === infoHash)
    .map(({ event, failure }) => `${event === '' ? 'regular' : event}${failure === null ? '' : ' refused'}`);
const snatches = () => tracker.rules.credit(OURS).snatches;

async function download({ torrent, seed }: Awaited<ReturnType<typeof offered>>): Promise<void> {
  const body = { torrent: torrent.bytes.toString('base64'), peers: [{ host: '127.0.0.1', port: seed.port }] };
  const { id } = await bae.api<ImportView>('POST', '/imports', body);
  await bae.untilImport(id, ['done']);
  await seed.stop();
}

describe('completed is counted once', () => {
  it('when it does not reach the tracker at first', async () => {
    const one = await offered('before');
    const before = snatches();
    tracker.misbehave('close', 'completed');
    await download(one);
    await delay(1_000);
    expect(heard(one.torrent)).toEqual(['started']);
    tracker.misbehave(null);
    await waitFor('completed', AGAIN_MILLISECONDS, () => heard(one.torrent).includes('completed'));
    expect(snatches() - before).toBe(1);
  });

  it('when its answer is lost: asked again in time, the tracker says that it has it', async () => {
    const one = await offered('answer');
    const before = snatches();
    tracker.misbehave('cut', 'completed');
    await download(one);
    await waitFor('completed', AGAIN_MILLISECONDS, () => heard(one.torrent).includes('completed'));
    tracker.misbehave(null);
    await waitFor('the second', AGAIN_MILLISECONDS, () => heard(one.torrent).length > 2);
    expect(heard(one.torrent)).toEqual(['started', 'completed', 'completed refused']);
    const { id } = await torrentOf(bae, one.torrent.infoHash);
    await waitFor('its tracker to work', AGAIN_MILLISECONDS, async () => {
      const { trackers, error } = await bae.api<TorrentDetail>('GET', `/torrents/${id}`);
      return trackers[0]?.state === 'working' && error === null;
    });
    expect(snatches() - before).toBe(1);
  });

  it('when bae is killed between the request and its answer; nothing is refused either when it is back at once', async () => {
    const one = await offered('kill');
    const before = snatches();
    tracker.misbehave('mute', 'completed');
    await download(one);
    await waitFor('completed', AGAIN_MILLISECONDS, () => heard(one.torrent).includes('completed'));
    await bae.kill();
    tracker.misbehave(null);
    await bae.start();
    await waitFor('bae to be back', AGAIN_MILLISECONDS, () => heard(one.torrent).length > 2);
    expect(heard(one.torrent)).toEqual(['started', 'completed', 'regular']);
    // Again at once, and once more: the tracker takes no event twice within 30 s, which is nothing to tell anybody of.
    await bae.kill();
    await bae.start();
    await waitFor('bae to be back', AGAIN_MILLISECONDS, () => heard(one.torrent).length > 3);
    expect(heard(one.torrent).at(-1)).toBe('regular refused');
    const { error, id } = await torrentOf(bae, one.torrent.infoHash);
    expect(error).toBeNull();
    expect((await bae.cli('show', id)).stdout).toMatch(/tracker .*: working/);
    expect(snatches() - before).toBe(1);
    expect(heard(one.torrent).filter((event) => event.startsWith('completed'))).toHaveLength(1);
  });

  it('when bae was stopped and started twice within 30 s: each time is a session of its own', async () => {
    const [info] = [...new Set(tracker.announces.map(({ infoHash }) => infoHash))];
    const before = tracker.announces.length;
    for (let count = 0; count < 2; count++) {
      expect((await bae.cli('stop')).code).toBe(0);
      await waitFor('its end', 20_000, () => !bae.running());
      const known = tracker.announces.length;
      await bae.start();
      await waitFor('started', AGAIN_MILLISECONDS, () =>
        tracker.announces.slice(known).some(({ event, infoHash }) => event === 'started' && infoHash === info),
      );
    }
    const since = tracker.announces.slice(before).filter(({ infoHash }) => infoHash === info);
    expect(since.map(({ event }) => event)).toEqual(['stopped', 'started', 'stopped', 'started']);
    expect(since.map(({ failure }) => failure)).toEqual([null, null, null, null]);
    expect(new Set(since.map(({ peerId }) => peerId)).size).toBe(3);
  });
});
