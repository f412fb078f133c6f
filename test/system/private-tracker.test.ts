// bae at a private tracker: what it is credited, byte by byte, over restarts, stops and a kill; and how refusals are told.
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bae, type ImportView, showLogsOnFailure, startBae, type TorrentDetail, torrentOf } from '../parts/bae.ts';
import { type LibtorrentPeer, libtorrent } from '../parts/clients/libtorrent.ts';
import { makeFiles, type Tree } from '../parts/content.ts';
import { type CountingProxy, startCountingProxy } from '../parts/counting-proxy.ts';
import { type PrivateTracker, startPrivateTracker } from '../parts/private-tracker.ts';
import { temporaryFolder, waitFor } from '../parts/process.ts';
import { extendedMessage, rawHandshake } from '../parts/raw-handshake.ts';
import { bencode, makeTorrent, type Torrent } from '../parts/torrent.ts';

const MIB = 1024 * 1024;
const BYTES = 24 * MIB + 12_345;
const SLOW_BYTES_PER_SECOND = 4 * MIB;
/** What is given to the system in one write and only counted when it took all of it: lost to us at the end of a connection. */
const BATCH_BYTES = 512 * 1024;
/** The promise is one second of counters; this machine may be busy. */
const LOST_SECONDS = 10;
/** The tracker refuses the same event within 30 s, and then bae's pause runs. */
const HEARD_MILLISECONDS = 120_000;
const OURS = 'a1b2c3d4e5f60718293a4b5c6d7e8f90';

showLogsOnFailure();

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let tracker: PrivateTracker;
let proxy: CountingProxy;
let bae: Bae;
let tree: Tree;
let torrent: Torrent;
/** Payload that left bae: what a leecher without the proxy received, and what went through the proxy. */
let direct = 0;
/** Everything bae said, to be searched for the passkey. */
const said: string[] = [];

const users = ['seed', 'leech'].map((name) => name.repeat(6));

/** The same torrent as another user downloads it. */
const torrentOfUser = (passkey: string | null) =>
  makeTorrent({
    source: tree.folder,
    path: `${folder.path}/${passkey ?? 'none'}.torrent`,
    private: true,
    ...(passkey === null ? {} : { announce: tracker.url(passkey) }),
  });

beforeAll(async () => {
  [folder, tracker] = await Promise.all([temporaryFolder('private'), startPrivateTracker()]);
  tree = await makeFiles({ name: 'private', seed: 'private', files: [{ path: '01.flac', length: BYTES }] });
  torrent = await torrentOfUser(OURS);
  for (const passkey of [OURS, ...users]) tracker.rules.addUser(passkey);
  tracker.rules.register(torrent.infoHash);
  bae = await startBae({ store: `file:${folder.path}/store` });
  proxy = await startCountingProxy(bae.peerPort);
});
afterAll(async () => {
  await Promise.all([bae?.remove(), tracker?.stop(), proxy?.stop()]);
  await folder?.remove();
});

const told = () => tracker.announces.filter(({ passkey, failure }) => passkey === OURS && failure === null);
const events = () => told().map(({ event }) => event);
const served = () => direct + proxy.payloadBytes();
const credited = () => tracker.rules.credit(OURS).uploaded;
const shown = async () => (await torrentOf(bae, torrent.infoHash)).uploadedBytes;

/** Waits for one more announce of bae's that the tracker takes. */
async function heard(before: number): Promise<void> {
  await waitFor('the tracker to hear of bae', HEARD_MILLISECONDS, () => told().length > before);
}

/** A leecher that knows only the proxy. */
async function leechThroughProxy(name: string): Promise<LibtorrentPeer & { remove(): Promise<void> }> {
  const target = await temporaryFolder(name);
  const { path } = await torrentOfUser(null);
  const peer = await libtorrent.leech({
    torrentPath: path,
    downloadDir: target.path,
    downloadBytesPerSecond: SLOW_BYTES_PER_SECOND,
    peers: [proxy.address],
  });
  const remove = async () => {
    await peer.stop();
    await target.remove();
  };
  return Object.assign(peer, { remove });
}

/** bae is back: the leecher dials until it is connected again, since it gives a peer that went away some rest. */
async function comeBack(peer: LibtorrentPeer): Promise<void> {
  await waitFor('the leecher to come back', 60_000, async () => {
    await peer.connect(proxy.address);
    await delay(500);
    return (await peer.status()).peers > 0;
  });
}

const reached = (peer: LibtorrentPeer, part: number) =>
  waitFor(`${part} of the download`, 60_000, async () => (await peer.progress()) > part);

describe('a private tracker', () => {
  it('hears started, then completed, once each, with true counters', async () => {
    const seed = await libtorrent.seed({
      torrentPath: (await torrentOfUser(users[0] as string)).path,
      dataDir: dirname(tree.folder),
    });
    await waitFor(
      'the seed to be known',
      10_000,
      () => tracker.rules.peersOf(users[0] as string, torrent.infoHash) > 0,
    );
    const body = { torrent: torrent.bytes.toString('base64') };
    const { id } = await bae.api<ImportView>('POST', '/imports', body);
    await bae.untilImport(id, ['done']);
    await waitFor('completed', 10_000, () => events().includes('completed'));
    await seed.stop();
    expect(events()).toEqual(['started', 'completed']);
    expect(told()[0]).toMatchObject({ uploaded: 0, downloaded: 0, left: BYTES });
    expect(told()[1]).toMatchObject({ left: 0, downloaded: BYTES });
    expect(tracker.rules.credit(OURS)).toEqual({ uploaded: told()[1]?.uploaded, downloaded: BYTES, snatches: 1 });
  });

  it('is all that peers of its torrents hear of: no DHT, no PEX, no metadata (BEP 27)', async () => {
    const { port } = new URL(`tcp://${bae.peer}`);
    const asked = [
      extendedMessage(0, bencode({ m: { ut_metadata: 3, ut_pex: 1 } })),
      extendedMessage(1, bencode({ msg_type: 0, piece: 0 })),
    ];
    const { reserved, messages } = await rawHandshake({
      port: Number(port),
      infoHash: torrent.infoHash,
      messages: asked,
    });
    expect((reserved[7] as number) & 1).toBe(0);
    const extended = messages.filter(([id]) => id === 20).map((message) => message.toString('latin1'));
    expect(extended).toHaveLength(1);
    expect(extended[0]).toContain('4:reqq');
    expect(extended[0]).not.toMatch(/ut_metadata|metadata_size|ut_pex/);
    expect(messages.filter(([id]) => id === 9)).toEqual([]);
  });

  it('credits exactly what a leecher got, over a restart by SIGTERM that tells it nothing', async () => {
    const before = await shown();
    const target = await temporaryFolder('private-leech');
    const { path } = await torrentOfUser(users[1] as string);
    const leech = await libtorrent.leech({ torrentPath: path, downloadDir: target.path });
    await leech.untilComplete();
    direct += (await leech.status()).downloaded + before;
    await leech.stop();
    await target.remove();
    const heardBefore = told().length;
    expect((await bae.stop()).code).toBe(0);
    expect(events()).not.toContain('stopped');
    await bae.start();
    await heard(heardBefore);
    expect(events().slice(2)).toEqual(['']);
    expect(credited()).toBe(served());
    expect(await shown()).toBe(served());
  });

  it('credits no more than was served, and at most a batch less, when restarted in the middle of a transfer', async () => {
    const leech = await leechThroughProxy('private-restart');
    await reached(leech, 0.3);
    const before = told().length;
    await bae.stop();
    await bae.start();
    await comeBack(leech);
    await leech.untilComplete();
    await leech.remove();
    await heard(before);
    expect(new Set(told().map(({ peerId, key }) => `${peerId} ${key}`)).size).toBe(1);
    expect(events().filter((event) => event === 'started')).toHaveLength(1);
    expect(credited()).toBeLessThanOrEqual(served());
  });

  it('hears stopped with the last counters by bae stop, and is owed nothing', async () => {
    await bae.ask('stop');
    await waitFor('its end', 20_000, () => !bae.running());
    expect(events().at(-1)).toBe('stopped');
    expect(told().at(-1)).toMatchObject({ left: 0 });
    expect(tracker.rules.peersOf(OURS, torrent.infoHash)).toBe(0);
    expect(credited()).toBeLessThanOrEqual(served());
    expect(credited()).toBeGreaterThanOrEqual(served() - BATCH_BYTES);
    expect(credited()).toBe(told().at(-1)?.uploaded);
    process.stderr.write(`served ${served()}, credited ${credited()} after two restarts and a stop\n`);
  });

  it('after SIGKILL credits at most the last second less, never more, and hears no second started', async () => {
    const before = told().length;
    await bae.start();
    await heard(before);
    expect(told().at(-1)).toMatchObject({ event: 'started', uploaded: 0 });
    expect(told().at(-1)?.peerId).not.toBe(told().at(-2)?.peerId);
    const owedBefore = served() - credited();
    const leech = await leechThroughProxy('private-kill');
    for (const part of [0.3, 0.6]) {
      await reached(leech, part);
      await bae.kill();
      await bae.start();
      await comeBack(leech);
    }
    await leech.untilComplete();
    await leech.remove();
    expect(events().filter((event) => event === 'started')).toHaveLength(2);
    await bae.ask('stop');
    await waitFor('its end', 20_000, () => !bae.running());
    expect(events().at(-1)).toBe('stopped');
    const owed = served() - credited();
    process.stderr.write(
      `two kills at ${SLOW_BYTES_PER_SECOND / MIB} MiB/s: ${owed - owedBefore} bytes not credited\n`,
    );
    expect(owed).toBeGreaterThanOrEqual(owedBefore);
    expect(owed - owedBefore).toBeLessThanOrEqual(2 * (LOST_SECONDS * SLOW_BYTES_PER_SECOND + BATCH_BYTES));
    expect(new Set(tracker.announces.filter(({ passkey }) => passkey === OURS).map(({ key }) => key)).size).toBe(2);
  });
});

describe('refusals', () => {
  const id = async () => (await torrentOf(bae, torrent.infoHash)).id;
  const look = async () => {
    const detail = await bae.api<TorrentDetail>('GET', `/torrents/${await id()}`);
    const shownByCli = await bae.cli('show', detail.id);
    said.push(JSON.stringify(detail), shownByCli.stdout, shownByCli.stderr, bae.logTail());
    said.push(JSON.stringify(await bae.api('GET', '/imports')), JSON.stringify(await bae.api('GET', '/torrents')));
    return detail;
  };
  /** Asks for another try now, and waits until the tracker's message is as wanted. */
  const tried = async (message: RegExp) => {
    await bae.ask('seed', 'start', await id());
    return waitFor(`the message ${message}`, 60_000, async () => {
      const detail = await look();
      return message.test(detail.trackers[0]?.message ?? '') ? detail : undefined;
    });
  };

  it('are told in words at the torrent, not repeated in haste, and tried again when a person wants it', async () => {
    tracker.rules.unregister(torrent.infoHash);
    await bae.start();
    const detail = await tried(/Unregistered torrent/);
    expect(detail.error).toContain(`${tracker.host} does not know this torrent`);
    expect(detail.trackers[0]?.state).toBe('refused');
    const before = tracker.announces.length;
    await delay(5_000);
    expect(tracker.announces.length).toBe(before);

    tracker.rules.register(torrent.infoHash);
    tracker.rules.allowedClients = ['-XX'];
    expect((await tried(/not on the whitelist/)).error).toContain('does not allow bae as a client');

    tracker.rules.allowedClients = [];
    tracker.rules.removeUser(OURS);
    expect((await tried(/^Passkey … not found/)).error).toContain('does not accept the passkey');
  });

  it('and failures of every other kind are told without the passkey', async () => {
    const faults: readonly (readonly ['close' | Buffer, RegExp])[] = [
      ['close', /cannot be reached/],
      [Buffer.from(`<html>${OURS}</html>`), /malformed/],
      [bencode({ 'failure reason': `${OURS} is out of order` }), /^… is out of order$/],
      [bencode({ 'failure reason': 'x', 'retry in': 'never' }), /^x$/],
      [bencode({ interval: 1_800, peers: Buffer.alloc(5) }), /malformed/],
      [bencode({ interval: 1_800, peers: '', 'warning message': `hello ${OURS}` }), /^hello …$/],
    ];
    for (const [fault, message] of faults) {
      tracker.misbehave(fault);
      await tried(message);
    }
    const magnet = await bae.cli('import', `magnet:?xt=urn:btih:zz&tr=${encodeURIComponent(tracker.url(OURS))}`);
    said.push(magnet.stdout, magnet.stderr);
    expect(magnet.code).not.toBe(0);
    await bae.stop();
    said.push(bae.logTail());
    const everything = said.join('\n');
    expect(everything).toContain('out of order');
    expect(everything.toLowerCase()).not.toContain(OURS.slice(0, 12));
  });
});
