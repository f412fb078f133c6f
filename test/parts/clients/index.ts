// All client programs of the tests.
import { aria2 } from './aria2.ts';
import type { PeerClient } from './client.ts';
import { libtorrent } from './libtorrent.ts';
import { qbittorrent } from './qbittorrent.ts';
import { rtorrent } from './rtorrent.ts';
import { transmission } from './transmission.ts';

export type { LeechOptions, PeerClient, PeerOptions, RunningPeer, SeedOptions } from './client.ts';
export { aria2, libtorrent, qbittorrent, rtorrent, transmission };

export const allClients: readonly PeerClient[] = [libtorrent, aria2, rtorrent, qbittorrent, transmission];
