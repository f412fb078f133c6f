export { Dht, type DhtOptions, type DhtStats } from './dht.ts';
export type { DhtHandle, DhtTorrent } from './rotation.ts';
export type { SavedDht } from './saved.ts';
