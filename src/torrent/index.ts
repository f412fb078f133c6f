export {
  type AnnounceHandle,
  AnnounceScheduler,
  createResolver,
  Dht,
  type DhtStats,
  LocalDiscovery,
  type SavedDht,
  type TrackerClient,
  TrackerError,
  type TrackerStatus,
} from './discovery/index.ts';
export { inlineHasher, workerHasher } from './hash.ts';
export type { IpFilter } from './ip-filter.ts';
export { loadIpFilter } from './ip-filter-file.ts';
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
export { createNetworks, type Networks } from './networks.ts';
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
