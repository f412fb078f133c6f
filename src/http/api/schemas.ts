import { z } from '@hono/zod-openapi';

/** The API's shapes; they say what http/ports.ts says, for the OpenAPI document. */

export const Failure = z.object({ error: z.object({ kind: z.string(), message: z.string() }) }).openapi('Error');

export const Import = z
  .object({
    id: z.string().openapi({ example: 'i1' }),
    name: z.string().nullable(),
    infoHash: z.string().regex(/^[0-9a-f]{40}$/),
    state: z.enum([
      'queued',
      'metadata',
      'clues',
      'downloading',
      'committing',
      'done',
      'failed',
      'cancelling',
      'cancelled',
    ]),
    identification: z.enum(['waiting', 'looking', 'choosing', 'chosen', 'as-is', 'unknown']),
    progress: z.number().min(0).max(1),
    error: z.string().nullable(),
    retryable: z.boolean(),
    torrentId: z.string().nullable(),
  })
  .openapi('Import');

export const Torrent = z
  .object({
    id: z.string().openapi({ example: 't1' }),
    releaseIds: z.array(z.string()).readonly(),
    name: z.string(),
    infoHash: z.string().regex(/^[0-9a-f]{40}$/),
    totalBytes: z.number(),
    pieceLength: z.number(),
    pieceCount: z.number(),
    seeding: z.boolean(),
    cacheMode: z.enum(['on-demand', 'pinned', 'auto']),
    cachedBytes: z.number(),
    uploadBytesPerSecond: z.number(),
    downloadBytesPerSecond: z.number(),
    uploadedBytes: z.number(),
    downloadedBytes: z.number(),
    peers: z.number(),
    error: z.string().nullable(),
  })
  .openapi('Torrent');

const wholeBytes = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional();
export const LimitChanges = z
  .strictObject({ uploadBytesPerSecond: wholeBytes, downloadBytesPerSecond: wholeBytes })
  .openapi('LimitChanges');
export const Limits = z
  .object({
    id: z.string().openapi({ example: 't1' }),
    uploadBytesPerSecond: z.number(),
    downloadBytesPerSecond: z.number(),
  })
  .openapi('Limits');

export const SettingsChanges = z
  .strictObject({
    uploadBytesPerSecond: wholeBytes,
    downloadBytesPerSecond: wholeBytes,
    peerUploadBytesPerSecond: wholeBytes,
    egressBytesPerDay: wholeBytes,
  })
  .openapi('SettingsChanges');
export const Settings = z
  .object({
    uploadBytesPerSecond: z.number(),
    downloadBytesPerSecond: z.number(),
    peerUploadBytesPerSecond: z.number(),
    egressBytesPerDay: z.number(),
    fixed: z.record(z.string(), z.string()).openapi({ description: 'Where those are set that cannot be changed here' }),
  })
  .openapi('Settings');

const Track = z.object({
  disc: z.number(),
  track: z.number(),
  title: z.string(),
  artist: z.string().nullable(),
  durationMs: z.number().nullable(),
});

export const Release = z
  .object({
    id: z.string().openapi({ example: 'r1' }),
    title: z.string(),
    artist: z.string(),
    year: z.number().nullable(),
    tracks: z.array(Track).readonly(),
  })
  .openapi('Release');

export const TorrentDetail = Torrent.extend({
  private: z.boolean(),
  files: z.array(z.object({ path: z.string(), length: z.number(), pad: z.boolean() })).readonly(),
  releases: z.array(Release).readonly(),
  trackers: z
    .array(z.object({ tracker: z.string(), tier: z.number(), state: z.string(), message: z.string().nullable() }))
    .readonly(),
  peerList: z
    .array(
      z.object({
        host: z.string(),
        port: z.number(),
        client: z.string(),
        incoming: z.boolean(),
        encryption: z.enum(['plain', 'header', 'rc4']),
        progress: z.number(),
        uploadedBytes: z.number(),
        downloadedBytes: z.number(),
      }),
    )
    .readonly(),
}).openapi('TorrentDetail');

const count = z.number();
export const Stats = z
  .object({
    version: z.string(),
    uptimeSeconds: count,
    peerPort: count,
    store: z.string(),
    torrents: count,
    seeding: count,
    imports: count,
    peers: count,
    networkFault: z.string().nullable(),
    dhtState: z.enum(['off', 'down', 'joining', 'ready']),
    dhtNodes: count,
    uploadedBytes: count,
    downloadedBytes: count,
    cacheBytes: count,
    cacheBudgetBytes: count,
    pinnedBytes: count,
    leasedBytes: count.openapi({ description: 'Memory that blocks under way to peers keep from being reused' }),
    spoolBytes: count,
    spoolBudgetBytes: count,
    storeReadBytes: count,
    egressBytes: count,
    egressBytesPerDay: count,
    egressWaiting: z.string().nullable(),
    openedBytes: count,
    storeWrittenBytes: count,
  })
  .openapi('Stats');

/** Base64 of the largest torrent file accepted (10 MiB). */
export const TORRENT_BASE64_CHARACTERS = Math.ceil((10 * 1024 * 1024) / 3) * 4;
/** Peers given by hand with one import. */
export const HAND_PEERS = 50;

export const NewImport = z
  .strictObject({
    torrent: z.base64().max(TORRENT_BASE64_CHARACTERS).optional().openapi({ description: 'A .torrent file, base64' }),
    magnet: z.string().startsWith('magnet:').max(16_384).optional(),
    peers: z
      .array(z.object({ host: z.string().min(2).max(255), port: z.number().int().min(1).max(65_535) }))
      .max(HAND_PEERS)
      .default([]),
    asIs: z.boolean().default(false),
  })
  .refine((body) => (body.torrent === undefined) !== (body.magnet === undefined), 'give either torrent or magnet')
  .openapi('NewImport');
