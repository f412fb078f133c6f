import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryPieces } from '../../test/simulation/memory-pieces.ts';
import { infoOf } from '../../test/simulation/swarm.ts';
import { VirtualClock } from '../../test/simulation/virtual-clock.ts';
import { VirtualNetwork } from '../../test/simulation/virtual-network.ts';
import { silentLog } from '../lib/log.ts';
import { seededRandom } from '../lib/random.ts';
import { AnnounceScheduler, type DhtTorrent } from './discovery/index.ts';
import type { Info } from './metainfo/index.ts';
import type { BeginSpec } from './session-options.ts';
import { Sessions } from './sessions.ts';
import { createEngine, type Engine } from './swarm/index.ts';

const PUBLIC = infoOf(Buffer.alloc(50_000, 1), 16_384);
const PRIVATE = infoOf(Buffer.alloc(50_000, 2), 16_384, { private: 1 });

let clock: VirtualClock;
let network: VirtualNetwork;
let engine: Engine;
let sessions: Sessions;
/** Torrents that are looked up in the DHT now. */
let looked: Set<DhtTorrent>;

beforeEach(() => {
  clock = new VirtualClock();
  network = new VirtualNetwork(clock);
  looked = new Set();
  const random = seededRandom(1);
  const common = { clock, random, log: silentLog };
  const sha1 = (data: Buffer) => Promise.resolve({ digest: createHash('sha1').update(data).digest(), data });
  const store = new MemoryPieces({ clock });
  engine = createEngine({ ...common, store, hasher: { sha1 }, network: network.host('20.1.1.1'), version: '0.1.0' });
  sessions = new Sessions({
    engine,
    scheduler: new AnnounceScheduler({ ...common, clients: new Map(), port: () => 1, allowPrivateAddresses: false }),
    dht: {
      add: (torrent) => {
        looked.add(torrent);
        return { lookedUpAt: null, stop: () => void looked.delete(torrent) };
      },
    },
    ...{ clock, random, log: silentLog },
    newPeerId: () => random.bytes(20),
    keeper: {
      changed: () => undefined,
      counted: () => undefined,
      keep: () => Promise.resolve(),
      flush: () => Promise.resolve(),
    },
  });
});
afterEach(async () => {
  const closing = engine.close();
  await clock.run(1_000);
  await closing;
});

function begin(info: Info, more: Partial<BeginSpec> = {}) {
  return sessions.begin({
    infoHash: info.infoHash,
    info,
    id: 1,
    mode: 'download',
    trackers: [],
    announces: null,
    ...more,
  });
}

describe('in the DHT', () => {
  it('a public torrent is looked up until its session ends; who is found is dialled', async () => {
    const session = begin(PUBLIC);
    await clock.run(10);
    const [torrent] = looked;
    expect([looked.size, torrent?.infoHash, torrent?.isHungry()]).toEqual([1, PUBLIC.infoHash, true]);
    torrent?.found([
      { host: '20.2.2.2', port: 5 },
      { host: '10.2.2.2', port: 5 },
    ]);
    await clock.run(2_000);
    expect(network.dials).toEqual(['20.1.1.1 > 20.2.2.2:5']);
    const ended = session.end(false);
    expect(looked.size).toBe(0);
    await clock.run(1_000);
    await ended;
  });

  it('a private torrent is never looked up, and one that is not seeded neither (BEP 27)', () => {
    begin(PRIVATE);
    begin(PUBLIC, { seeding: false });
    expect(looked.size).toBe(0);
  });

  it('a magnet link is looked up until its metadata say that it is private; its finds are forgotten then', async () => {
    const session = begin(PRIVATE, { info: null, id: null });
    const [torrent] = looked;
    expect([looked.size, torrent?.isHungry()]).toEqual([1, true]);
    session.provide(PRIVATE, 7);
    expect([looked.size, session.torrent.isPrivate]).toEqual([0, true]);
    // A lookup under way may bring more: not for a private torrent.
    torrent?.found([{ host: '20.2.2.2', port: 5 }]);
    await clock.run(2_000);
    expect(network.dials).toEqual([]);
  });

  it('a torrent that is whole does not hunger', () => {
    begin(PUBLIC, { mode: 'seed' });
    expect([...looked].map((torrent) => torrent.isHungry())).toEqual([false]);
  });
});
