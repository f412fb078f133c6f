// Announces over HTTPS and IPv6, to the last header, and what `bae stop` does when a tracker is slow.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Bae, showLogsOnFailure, startBae, type TorrentDetail } from '../parts/bae.ts';
import { makeAuthority } from '../parts/certificates.ts';
import { fillLibrary } from '../parts/many-torrents.ts';
import { type PrivateTracker, type PrivateTrackerOptions, startPrivateTracker } from '../parts/private-tracker.ts';
import { temporaryFolder, waitFor } from '../parts/process.ts';

const PASSKEY = 'a1b2c3d4e5f60718293a4b5c6d7e8f90';
const HEARD_MILLISECONDS = 60_000;
const TORRENTS = 24;
const SLOW_MILLISECONDS = 2_000;
/** Announces under way at one host, and how long `bae stop` tells trackers. */
const AT_ONCE = 4;
const GOODBYE_MILLISECONDS = 10_000;

showLogsOnFailure();

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let authorityPath: string;
let bae: Bae;
/** By what they are for; the first torrent of each has the id `firstId`. */
const trackers = new Map<string, { tracker: PrivateTracker; firstId: number; count: number }>();
const at = (name: string) => trackers.get(name) as { tracker: PrivateTracker; firstId: number; count: number };

async function track(name: string, count: number, options: PrivateTrackerOptions): Promise<void> {
  const tracker = await startPrivateTracker(options);
  const firstId = 1_000 * (trackers.size + 1);
  trackers.set(name, { tracker, firstId, count });
  tracker.rules.addUser(PASSKEY);
  const url = tracker.url(PASSKEY);
  for (const infoHash of await fillLibrary(bae.dataDir, `${folder.path}/store`, count, url, firstId)) {
    tracker.rules.register(infoHash.toString('hex'));
  }
}

beforeAll(async () => {
  folder = await temporaryFolder('trackers');
  const authority = await makeAuthority(folder.path);
  authorityPath = authority.path;
  bae = await startBae({ store: `file:${folder.path}/store` });
  await bae.stop();
  await track('https', TORRENTS, { tls: await authority.issue('IP:127.0.0.1') });
  await track('another name', 1, { tls: await authority.issue('DNS:tracker.example') });
});
afterAll(async () => {
  await bae?.remove();
  await Promise.all([...trackers.values()].map(({ tracker }) => tracker.stop()));
  await folder?.remove();
});

const detail = (name: string) => bae.api<TorrentDetail>('GET', `/torrents/t${at(name).firstId}`);
const saying = (name: string, words: RegExp) =>
  waitFor(`${name} to be told of as ${words}`, HEARD_MILLISECONDS, async () =>
    words.test((await detail(name)).trackers[0]?.message ?? ''),
  );
const heard = (name: string) => at(name).tracker.announces;

it('a certificate of an unknown authority is refused, in words and without the passkey', async () => {
  await bae.start();
  await saying('https', /^127\.0\.0\.1:\d+ shows a certificate that cannot be trusted \([A-Z_]+\)$/);
  expect(heard('https')).toEqual([]);
  expect((await bae.cli('show', `t${at('https').firstId}`)).stdout).toContain('cannot be trusted');
  expect(bae.logTail(1_000)).not.toContain(PASSKEY);
  await bae.stop();
  await track('ipv6', 3, { address: '::1' });
  await track('slow', TORRENTS, {});
});

it('one of an authority that NODE_EXTRA_CA_CERTS names is taken, over few connections, with these headers alone', async () => {
  const { tracker, count } = at('https');
  const made = tracker.connections();
  await bae.start({ NODE_EXTRA_CA_CERTS: authorityPath });
  await waitFor('all to be announced', HEARD_MILLISECONDS, () => heard('https').length === count);
  expect(heard('https').filter(({ failure, event }) => failure !== null || event !== '')).toEqual([]);
  expect(tracker.connections() - made).toBeLessThanOrEqual(AT_ONCE);
  for (const headers of tracker.rawHeaders) {
    expect(headers).toEqual([
      ...['User-Agent', expect.stringMatching(/^bae\/\d+\.\d+\.\d+$/), 'Accept-Encoding', 'gzip'],
      ...['Host', tracker.host, 'Connection', 'keep-alive'],
    ]);
  }
});

it('one for another name is refused', async () => {
  await saying('another name', /cannot be trusted \(ERR_TLS_CERT_ALTNAME_INVALID\)$/);
  expect(heard('another name')).toEqual([]);
});

it('a tracker with an IPv6 address is announced to', async () => {
  await waitFor('all to be announced', HEARD_MILLISECONDS, () => heard('ipv6').length === at('ipv6').count);
  expect(heard('ipv6').map(({ address, failure }) => `${address} ${failure}`)).toEqual(Array(3).fill('::1 null'));
});

it('bae stop tells trackers for ten seconds and no longer; what was not told goes on as the session it was', async () => {
  await waitFor('all to be announced', HEARD_MILLISECONDS, () => heard('slow').length === TORRENTS);
  at('slow').tracker.delay('stopped', SLOW_MILLISECONDS);
  const stopped = await bae.cli('stop');
  expect([stopped.code, stopped.stdout]).toEqual([0, 'Stopped.\n']);
  await waitFor('its end', 5_000, () => !bae.running());
  const told = (name: string) => heard(name).filter(({ event }) => event === 'stopped').length;
  expect([told('https'), told('ipv6')]).toEqual([TORRENTS, 3]);
  // The last that were begun may not have been answered.
  const most = AT_ONCE * (GOODBYE_MILLISECONDS / SLOW_MILLISECONDS);
  process.stderr.write(`bae stop: ${told('slow')} told in ${(stopped.milliseconds / 1_000).toFixed(1)} s\n`);
  expect(told('slow')).toBeLessThanOrEqual(most);
  expect(told('slow')).toBeGreaterThan(most - 2 * AT_ONCE);

  const before = heard('slow').length;
  await bae.start({ NODE_EXTRA_CA_CERTS: authorityPath });
  await waitFor('all to be announced', HEARD_MILLISECONDS, () => heard('slow').length === before + TORRENTS);
  const after = heard('slow').slice(before);
  const began = after.filter(({ event }) => event === 'started').length;
  expect(after.filter(({ event }) => event === '')).toHaveLength(TORRENTS - began);
  expect(began).toBeLessThanOrEqual(told('slow'));
  expect(began).toBeGreaterThanOrEqual(told('slow') - AT_ONCE);
});
