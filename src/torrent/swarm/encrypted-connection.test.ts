import { expect, it } from 'vitest';
import { bytesOf, Simulation } from '../../../test/simulation/swarm.ts';
import { VirtualClock } from '../../../test/simulation/virtual-clock.ts';
import { VirtualNetwork } from '../../../test/simulation/virtual-network.ts';
import type { Connection, ConnectionHandlers } from '../ports.ts';
import { Rc4, type Rc4Streams } from '../wire/index.ts';
import { SLAB_BYTES, Slabs } from './batch.ts';
import { EncryptedConnection } from './encrypted-connection.ts';
import type { SwarmTorrent } from './torrent.ts';

/** Counts what is out. */
class CountedSlabs extends Slabs {
  out = 0;
  most = 0;

  override take(): Buffer {
    this.most = Math.max(this.most, ++this.out);
    return super.take();
  }

  override give(slab: Buffer): void {
    this.out--;
    super.give(slab);
  }
}

const [forth, back] = [Buffer.from('forth'), Buffer.from('back')];

/** Both ends of an encrypted connection, and what goes over the line in between. */
async function setUp() {
  const clock = new VirtualClock();
  const network = new VirtualNetwork(clock);
  let accepted: Connection | null = null;
  await network.host('20.0.0.1').listen('0.0.0.0', 1, (connection) => {
    accepted = connection;
  });
  const connecting = network.host('20.0.0.2').connect('20.0.0.1', 1, 1_000);
  await clock.run(10);
  const line = await connecting;
  const slabs = new CountedSlabs();
  const wrap = (inner: Connection, encrypt: Buffer, decrypt: Buffer) => {
    const streams: Rc4Streams = { encrypt: new Rc4(encrypt), decrypt: new Rc4(decrypt) };
    return new EncryptedConnection(inner, streams, slabs);
  };
  const here = wrap(line, forth, back);
  const there = wrap(accepted as unknown as Connection, back, forth);
  return { clock, slabs, line, here, there };
}

function collector() {
  const seen = { bytes: Buffer.alloc(0), closed: 0 };
  const handlers: ConnectionHandlers = {
    data: (chunk) => {
      seen.bytes = Buffer.concat([seen.bytes, chunk]);
    },
    drained: () => undefined,
    closed: () => seen.closed++,
  };
  return { seen, handlers };
}

it('carries any writes in order, leaves what it is given as it is, and gives its slabs back', async () => {
  const { clock, slabs, here, there } = await setUp();
  const [mine, theirs] = [collector(), collector()];
  here.handlers = mine.handlers;
  there.handlers = theirs.handlers;
  const sizes = [[1], [17, 13, 16_384], [16_384], [0], [SLAB_BYTES + 1], [100_000, SLAB_BYTES, 5], [3]];
  const all = sizes.map((row, at) => row.map((size) => bytesOf(at + 1, Math.max(size, 1)).subarray(0, size)));
  const before = Buffer.concat(all.flat());
  let written = 0;
  for (const buffers of all) here.write(buffers, () => written++);
  there.write([Buffer.from('answer')]);
  expect(Buffer.concat(all.flat()).equals(before)).toBe(true);
  await clock.run(1_000);
  expect(theirs.seen.bytes.equals(before)).toBe(true);
  expect([mine.seen.bytes.toString(), written]).toEqual(['answer', sizes.length]);
  expect([slabs.out, slabs.most]).toEqual([0, 4]);
  // What is under way at the end, and what comes after it, goes back too.
  here.write([Buffer.alloc(300_000)], () => written++);
  here.destroy();
  here.write([Buffer.alloc(300_000)], () => written++);
  await clock.run(100);
  expect([slabs.out, written]).toEqual([0, sizes.length + 2]);
  expect([mine.seen.closed, theirs.seen.closed]).toEqual([1, 1]);
});

it('shows nothing of its bytes on the line', async () => {
  const { clock, line, there } = await setUp();
  const { seen, handlers } = collector();
  line.handlers = handlers;
  there.write([Buffer.alloc(40_000), Buffer.from('have')]);
  await clock.run(100);
  expect(seen.bytes.includes(Buffer.alloc(8))).toBe(false);
  expect(seen.bytes.equals(new Rc4(back).apply(Buffer.concat([Buffer.alloc(40_000), Buffer.from('have')])))).toBe(true);
});

it('keeps nothing of the store while a slow peer takes an encrypted batch', async () => {
  const simulation = new Simulation({ bytes: 4_194_304, pieceLength: 65_536 });
  const seed = await simulation.seed({ encryption: 'require', uploadBytesPerSecond: 500_000 });
  const leech = await simulation.node();
  simulation.introduce(leech, seed);
  const connection = () => [...(seed.torrent as SwarmTorrent).loop.sessions][0]?.connection;
  await simulation.clock.until(() => (connection()?.queuedBytes ?? 0) > 100_000, 10_000);
  expect(seed.store.leases).toBe(0);
  // The copy counts, as a lease would.
  const { leasedBytes } = seed.engine.stats();
  expect(leasedBytes).toBeGreaterThan(100_000);
  expect(leasedBytes).toBeLessThanOrEqual(1_048_576);
  await simulation.complete(leech, 200_000);
  await simulation.end();
});
