export {
  type AnnounceHandle,
  type AnnounceRequest,
  AnnounceScheduler,
  type AnnounceSession,
  createPeerLookup,
  createResolver,
  Dht,
  type DhtStats,
  LocalDiscovery,
  type LookupSource,
  type PeerAddress,
  type RestedAnnounces,
  type RestedTracker,
  restedRefusal,
  type SavedDht,
  type SessionSpec,
  statusOf,
  type TrackerClient,
  TrackerError,
  type TrackerStatus,
} from './discovery/index.ts';
export { inlineHasher, workerHasher } from './hash.ts';
export { type IpFilter, parseIpFilter } from './ip-filter.ts';
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
export type { BeginSpec, SavedAnnounces, SessionKeeper } from './session-options.ts';
export { Sessions } from './sessions.ts';
export type {
  Dormant,
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
export { STOPPED_WAIT_MILLISECONDS, type TorrentSession, WANTED_SEEDING } from './torrent-session.ts';
export { createTrackers } from './trackers.ts';
export { makePeerId, obfuscatedHash } from './wire/index.ts';
