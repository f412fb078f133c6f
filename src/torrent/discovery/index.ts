export { HttpTracker } from './http-tracker.ts';
export type { PeerAddress, TrackerClient } from './ports.ts';
export { TrackerError } from './ports.ts';
export { createResolver } from './resolver.ts';
export { type AnnounceHandle, AnnounceScheduler } from './scheduler.ts';
export type { AnnounceSession, SessionSpec, TrackerStatus } from './session.ts';
export { UdpTracker } from './udp-tracker.ts';
