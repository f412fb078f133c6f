export { systemDatagrams } from './datagrams.ts';
export {
  type AnnounceHandle,
  AnnounceScheduler,
  createResolver,
  Dht,
  type DhtStats,
  type SavedDht,
  type TrackerClient,
  TrackerError,
  type TrackerStatus,
} from './discovery/index.ts';
export { inlineHasher, workerHasher } from './hash.ts';
export {
  formatHostPort,
  formatMagnet,
  type HostPort,
  type Info,
  type Magnet,
  type Metainfo,
  parseHostPort,
  parseInfo,
  parseMagnet,
  parseTorrentFile,
} from './metainfo/index.ts';
export { systemNetwork } from './net.ts';
export { Sessions } from './sessions.ts';
export type {
  Engine,
  EngineLimits,
  EngineOptions,
  Priorities,
  RateLimitChanges,
  RateLimits,
  Torrent,
  TorrentListener,
  TorrentSpec,
  TorrentStats,
} from './swarm/index.ts';
export { createEngine } from './swarm/index.ts';
export type { BeginSpec, SavedAnnounces, SessionKeeper, TorrentSession } from './torrent-session.ts';
export { createTrackers } from './trackers.ts';
export { makePeerId } from './wire/index.ts';
