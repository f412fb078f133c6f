export { Dht, type DhtOptions, type DhtStats } from './dht.ts';
export type { DhtHandle, DhtTorrent, LookupSource } from './rotation.ts';
export type { SavedDht } from './saved.ts';
