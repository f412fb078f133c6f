export { createEngine } from './engine.ts';
export type {
  DhtPort,
  Encryption,
  Engine,
  EngineLimits,
  EngineOptions,
  EngineStats,
  PeerSource,
  PeerStats,
  Priorities,
  Priority,
  Torrent,
  TorrentListener,
  TorrentSpec,
  TorrentState,
  TorrentStats,
} from './types.ts';
