export {
  Dht,
  type DhtHandle,
  type DhtOptions,
  type DhtStats,
  type DhtTorrent,
  type LookupSource,
  type SavedDht,
} from './dht/index.ts';
export { HttpTracker } from './http-tracker.ts';
export { LocalDiscovery, type LocalTorrent } from './lsd/index.ts';
export type { AnnounceReply, AnnounceRequest, PeerAddress, TrackerClient } from './ports.ts';
export { TrackerError } from './ports.ts';
export { parseReply } from './reply.ts';
export { createPeerLookup, createResolver } from './resolver.ts';
export { type AnnounceHandle, AnnounceScheduler, type SchedulerOptions } from './scheduler.ts';
export type { AnnounceCounters, AnnounceSession, RestedAnnounces, SessionSpec } from './session.ts';
export { type RestedTracker, restedRefusal, statusOf, type TrackerStatus } from './tracker.ts';
export { parseUdpReply, UdpTracker } from './udp-tracker.ts';
