export { Dht, type DhtHandle, type DhtOptions, type DhtStats, type DhtTorrent, type SavedDht } from './dht/index.ts';
export { HttpTracker } from './http-tracker.ts';
export type { AnnounceReply, AnnounceRequest, PeerAddress, TrackerClient } from './ports.ts';
export { TrackerError } from './ports.ts';
export { createResolver } from './resolver.ts';
export { type AnnounceHandle, AnnounceScheduler, type SchedulerOptions } from './scheduler.ts';
export type { AnnounceCounters, AnnounceSession, SessionSpec } from './session.ts';
export type { TrackerStatus } from './tracker.ts';
export { UdpTracker } from './udp-tracker.ts';
