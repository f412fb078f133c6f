import type { ImportManager, ImportSnapshot } from '../import/index.ts';
import type { LibraryManager, LibraryTorrent } from '../library/index.ts';
import type { TorrentSeeder } from '../seed/index.ts';
import type { Settings } from '../settings/index.ts';
import type { Vault } from '../vault/index.ts';
import { parseId } from './ids.ts';
import { limitCalls } from './limit-calls.ts';
import type { Application, ImportView, StatsView, TorrentDetail, TorrentView } from './ports.ts';

export interface ApplicationParts {
  readonly imports: ImportManager;
  readonly library: LibraryManager;
  readonly seeder: TorrentSeeder;
  readonly vault: Vault;
  readonly settings: Settings;
  readonly version: string;
  readonly startedAt: number;
  readonly now: () => number;
  readonly peerPort: () => number;
  readonly peers: () => number;
  /** Memory that blocks under way to them keep from being reused. */
  readonly leasedBytes: () => number;
  /** Why there is no traffic with peers and trackers; null while nothing hinders. */
  readonly networkFault: () => string | null;
  readonly dht: () => { readonly state: StatsView['dhtState']; readonly nodes: number };
  /** The store without its secrets. */
  readonly store: string;
  readonly ready: Application['ready'];
  readonly stop: () => void;
}

/** Joins the rooms into what the outside may ask; ids become strings here. */
export function createApplication(parts: ApplicationParts): Application {
  const { imports, library, seeder } = parts;
  const one = async (id: number) => torrentView(parts, await library.torrent(id));
  const torrentIds = async (id: string) => {
    const { kind, number } = parseId(id, 'tr');
    return kind === 't' ? [number] : await library.torrentsOfRelease(number);
  };
  const each = async (id: string, act: (torrent: number) => Promise<void>) => {
    const ids = await torrentIds(id);
    for (const torrent of ids) await act(torrent);
    return Promise.all(ids.map(one));
  };
  return {
    addImport: async (request) => importView(await imports.add(request)),
    imports: async () => (await imports.list()).map(importView),
    import: async (id) => importView(await imports.get(parseId(id, 'i').number)),
    cancelImport: async (id) => importView(await imports.cancel(parseId(id, 'i').number)),
    retryImport: async (id) => importView(await imports.retry(parseId(id, 'i').number)),
    torrents: () => torrentPages(parts),
    torrent: async (id) => torrentDetail(parts, (await torrentIds(id))[0] as number),
    setSeeding: (id, on) => each(id, (torrent) => library.setTorrentSeeding(torrent, on)),
    setPinned: (id, on) => each(id, (torrent) => seeder.setCacheMode(torrent, on ? 'pinned' : 'on-demand')),
    ...limitCalls(parts),
    stats: () => stats(parts),
    ready: parts.ready,
    stop: parts.stop,
  };
}

/** The numbers now. */
async function stats(parts: ApplicationParts): Promise<StatsView> {
  const { imports, library, seeder, vault } = parts;
  const totals = await library.totals();
  // What awake ones have counted since it was saved.
  const awake = await library.torrents({ ids: seeder.awake() });
  const sum = (key: 'uploadedBytes' | 'downloadedBytes') =>
    awake.reduce((total, torrent) => total + counters(parts, torrent)[key] - torrent[key], totals[key]);
  const dht = parts.dht();
  const going = (await imports.list()).filter(({ state }) => !['done', 'failed', 'cancelled'].includes(state));
  return {
    version: parts.version,
    uptimeSeconds: Math.round((parts.now() - parts.startedAt) / 1_000),
    peerPort: parts.peerPort(),
    store: parts.store,
    torrents: totals.torrents,
    seeding: totals.seeding,
    imports: going.length,
    peers: parts.peers(),
    networkFault: parts.networkFault(),
    dhtState: dht.state,
    dhtNodes: dht.nodes,
    uploadedBytes: sum('uploadedBytes'),
    downloadedBytes: sum('downloadedBytes'),
    leasedBytes: parts.leasedBytes(),
    ...vaultNumbers(vault.stats()),
  };
}

function vaultNumbers(stats: ReturnType<Vault['stats']>) {
  return {
    cacheBytes: stats.cacheBytes,
    cacheBudgetBytes: stats.cacheBudgetBytes,
    pinnedBytes: stats.pinnedBytes,
    spoolBytes: stats.spoolBytes,
    spoolBudgetBytes: stats.spoolBudgetBytes,
    storeReadBytes: stats.fetchedBytes,
    egressBytes: stats.egress.bytes,
    egressBytesPerDay: stats.egress.bytesPerDay,
    egressWaiting: stats.egress.waiting,
    openedBytes: stats.openedBytes,
    storeWrittenBytes: stats.uploadedBytes,
  };
}

async function* torrentPages(parts: ApplicationParts): AsyncGenerator<TorrentView[]> {
  for await (const page of parts.library.torrentPages()) yield page.map((torrent) => torrentView(parts, torrent));
}

function importView(snapshot: ImportSnapshot): ImportView {
  const { id, infoHash, torrentId, ...rest } = snapshot;
  return {
    ...rest,
    id: `i${id}`,
    infoHash: infoHash.toString('hex'),
    torrentId: torrentId === null ? null : `t${torrentId}`,
  };
}

/** Live counters while it is awake, the saved ones else. */
function counters(parts: ApplicationParts, torrent: LibraryTorrent) {
  const live = parts.seeder.view(torrent.id)?.stats;
  return {
    uploadedBytes: live?.uploadedBytes ?? torrent.uploadedBytes,
    downloadedBytes: live?.downloadedBytes ?? torrent.downloadedBytes,
    peers: live?.peers ?? 0,
  };
}

function torrentView(parts: ApplicationParts, torrent: LibraryTorrent): TorrentView {
  return {
    id: `t${torrent.id}`,
    releaseIds: torrent.releaseIds.map((id) => `r${id}`),
    name: torrent.name,
    infoHash: torrent.infoHash.toString('hex'),
    totalBytes: torrent.totalBytes,
    pieceLength: torrent.pieceLength,
    pieceCount: torrent.pieceCount,
    seeding: torrent.isSeeding,
    cacheMode: torrent.cacheMode,
    cachedBytes: parts.vault.cachedBytes(torrent.bundles),
    uploadBytesPerSecond: torrent.uploadBytesPerSecond,
    downloadBytesPerSecond: torrent.downloadBytesPerSecond,
    ...counters(parts, torrent),
    error: torrent.error ?? parts.seeder.view(torrent.id)?.refusal ?? null,
  };
}

async function torrentDetail(parts: ApplicationParts, id: number): Promise<TorrentDetail> {
  const torrent = await parts.library.torrent(id);
  const asked = parts.seeder.trackers(id);
  const trackers = torrent.trackers.flatMap((tier, number) =>
    tier.map((url) => {
      const said = asked.find((one) => one.tracker === hostOf(url) && one.tier === number);
      return { tracker: hostOf(url), tier: number, state: said?.state ?? 'not-asked', message: said?.message ?? null };
    }),
  );
  return {
    ...torrentView(parts, torrent),
    private: torrent.isPrivate,
    files: torrent.files.map(({ path, length, pad }) => ({ path: path.join('/'), length, pad })),
    releases: torrent.releases.map(({ id: releaseId, title, artist, year, tracks }) => ({
      id: `r${releaseId}`,
      title,
      artist: artist ?? 'Unknown artist',
      year,
      tracks: tracks.map(({ fileIndex: _, ...track }) => track),
    })),
    trackers,
    peerList: (parts.seeder.view(id)?.stats?.peerList ?? []).map(
      ({ host, port, client, incoming, encryption, progress, uploadedBytes, downloadedBytes }) => {
        const bytes = { uploadedBytes, downloadedBytes };
        return { host, port, client, incoming, encryption, progress, ...bytes };
      },
    ),
  };
}

/** What may be shown of an announce URL: the rest may hold a passkey. */
function hostOf(announce: string): string {
  const url = new URL(announce);
  return `${url.protocol}//${url.host}`;
}
