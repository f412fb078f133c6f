import type { PeerView, ReleaseView, TorrentDetail, TorrentView } from '../http/ports.ts';
import type { Context } from './context.ts';
import { bytes, clean, table } from './print.ts';

/** `bae list`: every torrent in the library. */
export async function runList(context: Context): Promise<void> {
  const torrents = await context.client.get<TorrentView[]>('/torrents');
  const rows = torrents.map((one) => [
    one.id,
    bytes(one.totalBytes),
    one.seeding ? 'seeding' : 'stopped',
    `${one.cacheMode} ${bytes(one.cachedBytes)}`,
    bytes(one.uploadedBytes),
    String(one.peers),
    clean(one.name),
  ]);
  const heading = ['ID', 'SIZE', 'STATE', 'CACHE', 'UPLOADED', 'PEERS', 'NAME'];
  context.print(
    torrents,
    rows.length === 0 ? 'The library is empty: bae import album.torrent' : table([heading, ...rows]),
  );
}

/** `bae show`: one torrent, by its id or a release's. */
export async function runShow(context: Context, id: string): Promise<void> {
  const one = await context.client.get<TorrentDetail>(`/torrents/${encodeURIComponent(id)}`);
  const lines = [
    `${clean(one.name)} (${one.id}${one.private ? ', private' : ''})`,
    `info-hash  ${one.infoHash}`,
    `size       ${bytes(one.totalBytes)} in ${one.pieceCount} pieces of ${bytes(one.pieceLength)}`,
    `seeding    ${one.seeding ? `yes, ${one.peers} peers` : 'no'}; uploaded ${bytes(one.uploadedBytes)}, downloaded ${bytes(one.downloadedBytes)}`,
    `cache      ${one.cacheMode}, ${bytes(one.cachedBytes)} local`,
    ...one.releases.flatMap(releaseLines),
    ...one.trackers.map(
      (tracker) =>
        `tracker    ${clean(tracker.tracker)}: ${tracker.state}${tracker.message === null ? '' : ` (${clean(tracker.message)})`}`,
    ),
    ...one.peerList.map(peerLine),
    ...one.files.filter((file) => !file.pad).map((file) => `file       ${clean(file.path)}  ${bytes(file.length)}`),
    ...(one.error === null ? [] : [`error      ${clean(one.error)}`]),
  ];
  context.print(one, lines.join('\n'));
}

function releaseLines({ id, artist, title, year, tracks }: ReleaseView): string[] {
  const isOneDisc = tracks.every(({ disc }) => disc === 1);
  return [
    `release    ${id}: ${clean(artist)} - ${clean(title)}${year === null ? '' : ` (${year})`}`,
    ...tracks.map((one) => {
      const place = `${isOneDisc ? '' : `${one.disc}-`}${String(one.track).padStart(2, '0')}`;
      const by = one.artist === null || one.artist === artist ? '' : `${clean(one.artist)} - `;
      return `track      ${place} ${by}${clean(one.title)}${one.durationMs === null ? '' : `  ${duration(one.durationMs)}`}`;
    }),
  ];
}

const ENCRYPTION = { plain: 'not encrypted', header: 'encrypted handshake', rc4: 'encrypted' };

function peerLine({ host, port, client, encryption, progress, uploadedBytes }: PeerView): string {
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  const has = `has ${Math.floor(progress * 100)} %, got ${bytes(uploadedBytes)} from here`;
  return `peer       ${address} ${clean(client)}, ${ENCRYPTION[encryption]}: ${has}`;
}

/** Minutes and seconds. */
function duration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1_000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

/** `bae seed start|stop|pin|unpin`. */
export async function runSeed(context: Context, action: string, id: string): Promise<void> {
  const path = action === 'start' || action === 'stop' ? `seeding/${action}` : action;
  const torrents = await context.client.post<TorrentView[]>(`/torrents/${encodeURIComponent(id)}/${path}`);
  const words = torrents.map((one) => `${one.id}: ${one.seeding ? 'seeding' : 'stopped'}, ${one.cacheMode}`);
  context.print(torrents, words.join('\n'));
}

/** `bae stats`: the numbers now. */
export async function runStats(context: Context): Promise<void> {
  const stats = await context.client.get<Record<string, string | number>>('/stats');
  const rows = Object.entries(stats).map(([name, value]) => [
    name,
    /Bytes(PerDay)?$/.test(name) && typeof value === 'number' ? bytes(value) : String(value),
  ]);
  context.print(stats, table(rows));
}
