export { LocalDiscovery, type LocalTorrent } from './local-discovery.ts';
