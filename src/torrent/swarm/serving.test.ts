import { describe, expect, it } from 'vitest';
import { unavailable } from '../../../test/simulation/memory-pieces.ts';
import { type RawOptions, RawPeer } from '../../../test/simulation/raw-peer.ts';
import { type Node, type NodeOptions, Simulation } from '../../../test/simulation/swarm.ts';
import type { VirtualConnection } from '../../../test/simulation/virtual-connection.ts';
import type { Message } from '../wire/index.ts';
import {
  ALLOWED_FAST_COUNT,
  decodeDontHave,
  decodeExtensionHandshake,
  decodeMetadataMessage,
  encodeMetadataRequest,
} from '../wire/index.ts';
import * as limits from './limits.ts';

const BLOCK = 16_384;
const MIB = 1_048_576;

const request = (index: number, begin: number, length = BLOCK): Message => ({ type: 'request', index, begin, length });
const SLOW_FEATURES = { extended: false, fast: false, dht: false };

interface Setup {
  simulation: Simulation;
  seed: Node;
  dial(options?: Partial<RawOptions>): Promise<RawPeer>;
}

async function setUp(options: NodeOptions = {}, bytes = 4 * MIB, pieceLength = 256 * 1024): Promise<Setup> {
  const simulation = new Simulation({ bytes, pieceLength });
  const seed = await simulation.seed(options);
  let peers = 0;
  const dial = async (more: Partial<RawOptions> = {}) => {
    const network = simulation.network.host(`30.${++peers}.0.1`);
    const { infoHash, pieceCount } = simulation.info;
    const peerId = Buffer.from(`-XX0001-${String(peers).padStart(12, '0')}`);
    const dialling = RawPeer.dial(network, seed.address, seed.port, { infoHash, pieceCount, peerId, ...more });
    await simulation.clock.run(50);
    return dialling;
  };
  return { simulation, seed, dial };
}

/** Dials and waits for the unchoke. */
async function interested({ simulation, dial }: Setup, options: Partial<RawOptions> = {}): Promise<RawPeer> {
  const peer = await dial(options);
  peer.send({ type: 'interested' });
  await simulation.clock.run(50);
  expect(peer.count('unchoke')).toBe(1);
  return peer;
}

describe('a peer that asks', () => {
  it('gets have-all, extensions with our queue, and blocks with the right bytes', async () => {
    const setup = await setUp();
    const peer = await interested(setup);
    expect(peer.count('haveAll')).toBe(1);
    const hello = peer.got.find((message) => message.type === 'extended');
    expect(decodeExtensionHandshake(hello?.type === 'extended' ? hello.payload : Buffer.alloc(0))).toMatchObject({
      requestQueue: limits.QUEUED_REQUESTS,
      uploadOnly: true,
      client: 'bae 0.1.0',
      listenPort: 6881,
    });
    peer.send(request(3, BLOCK), request(0, 5, 100));
    await setup.simulation.clock.run(50);
    const blocks = peer.got.filter((message) => message.type === 'piece');
    const at = 3 * 256 * 1024 + BLOCK;
    expect(blocks[0]?.data.equals(setup.simulation.content.subarray(at, at + BLOCK))).toBe(true);
    expect(blocks[1]?.data.equals(setup.simulation.content.subarray(5, 105))).toBe(true);
    await setup.simulation.end();
  });

  it('while choked gets only the pieces allowed fast', async () => {
    const setup = await setUp();
    const peer = await setup.dial();
    peer.send({ type: 'haveNone' });
    await setup.simulation.clock.run(50);
    const allowed = peer.got.flatMap((message) => (message.type === 'allowedFast' ? [message.index] : []));
    expect(allowed.length).toBe(ALLOWED_FAST_COUNT);
    const other = [...Array(16).keys()].find((index) => !allowed.includes(index)) ?? 0;
    peer.send(request(other, 0), request(allowed[0] ?? 0, 0));
    await setup.simulation.clock.run(50);
    expect([peer.count('reject'), peer.count('piece')]).toEqual([1, 1]);
    await setup.simulation.end();
  });

  it('gets a block once however often it asks before, and a reject for what it cancels', async () => {
    const setup = await setUp({ uploadBytesPerSecond: 100_000 });
    const peer = await interested(setup);
    const many = Array.from({ length: 60 }, (_, block) => request(block >> 4, (block & 15) * BLOCK));
    peer.send(...many, ...many, { ...request(3, 11 * BLOCK), type: 'cancel' } as Message);
    await setup.simulation.clock.run(30_000);
    expect([peer.count('piece'), peer.count('reject')]).toEqual([59, 1]);
    await setup.simulation.end();
  });

  it(`may queue ${limits.QUEUED_REQUESTS} requests; those beyond are rejected`, async () => {
    const setup = await setUp({ uploadBytesPerSecond: 100_000 }, 40 * MIB, MIB);
    const peer = await interested(setup);
    const blocks = Array.from({ length: 2_300 }, (_, block) => request(block >> 6, (block & 63) * BLOCK));
    peer.send(...blocks);
    // Behind the first half MiB.
    await setup.simulation.clock.run(8_000);
    expect(peer.count('reject')).toBe(2_300 - limits.QUEUED_REQUESTS);
    expect(peer.closed).toBe(false);
    await setup.simulation.end();
  });

  it(`is sent away after ${limits.UNASKED_BYTES} bytes of blocks that nobody asked for`, async () => {
    const setup = await setUp();
    const peer = await setup.dial();
    const block: Message = { type: 'piece', index: 0, begin: 0, data: Buffer.alloc(BLOCK) };
    const most = limits.UNASKED_BYTES / BLOCK;
    peer.send({ type: 'haveNone' }, ...Array.from({ length: most }, () => block));
    await setup.simulation.clock.run(500);
    expect([peer.closed, setup.seed.torrent.stats().wastedBytes]).toEqual([false, limits.UNASKED_BYTES]);
    peer.send(block);
    await setup.simulation.clock.run(500);
    expect(peer.closed).toBe(true);
    await setup.simulation.end();
  });

  it(`is sent away after ${limits.INVALID_REQUESTS} impossible requests`, async () => {
    const setup = await setUp();
    const peer = await interested(setup);
    const impossible = [request(16, 0), request(0, 256 * 1024 - 1), request(0, 0, BLOCK + 1), request(0, 0, 0)];
    const most = limits.INVALID_REQUESTS - 1;
    peer.send(...Array.from({ length: most }, (_, at) => impossible[at % 4] as Message));
    await setup.simulation.clock.run(50);
    expect([peer.count('reject'), peer.closed]).toEqual([most, false]);
    peer.send(request(0xffffffff, 0xffffffff));
    await setup.simulation.clock.run(50);
    expect(peer.closed).toBe(true);
    await setup.simulation.end();
  });

  it('without BEP 6 and 10 is served and never rejected', async () => {
    const setup = await setUp();
    const peer = await interested(setup, { features: SLOW_FEATURES });
    expect(peer.count('bitfield')).toBe(1);
    peer.send(request(0, 0), request(99, 0));
    await setup.simulation.clock.run(50);
    expect([peer.count('piece'), peer.count('reject'), peer.count('extended')]).toEqual([1, 0, 0]);
    await setup.simulation.end();
  });

  it.each([
    [10_000, limits.LEAST_BATCH_BYTES],
    [200_000, 2 * limits.LEAST_BATCH_BYTES],
    [50_000_000, limits.SEND_BUFFER_BYTES],
  ])('at %i bytes a second never has more before it than it takes soon, nor leases for long', async (line, batch) => {
    const setup = await setUp({ uploadBytesPerSecond: line });
    const peer = await interested(setup);
    peer.send(...Array.from({ length: 200 }, (_, block) => request(block >> 4, (block & 15) * BLOCK)));
    const ours = (peer.connection as VirtualConnection).other;
    let most = 0;
    for (let turn = 0; turn < 2_000; turn++) {
      await setup.simulation.clock.run(5);
      most = Math.max(most, ours?.queuedBytes ?? 0);
    }
    expect(most).toBeGreaterThan(batch / 2);
    expect(most).toBeLessThan(batch + 32 * 1024);
    // Whoever takes longer than LEASE_MILLISECONDS gets copies.
    if (line === 10_000) expect(setup.seed.store.leases).toBe(0);
    expect(setup.seed.engine.stats().leasedBytes).toBeLessThanOrEqual(limits.PEER_HELD_BYTES);
    await setup.simulation.end();
  });
});

describe('blocks that are not in memory', () => {
  it('of scattered pieces are fetched for one peer only within its allowance', async () => {
    const setup = await setUp({ cold: true, readMilliseconds: 1 }, 160 * MIB, MIB);
    const peer = await interested(setup);
    // One block of every 256 KiB: 640 units of which only the allowance (and four for each block taken) are given.
    const lone = Array.from({ length: 640 }, (_, unit) => request(unit >> 2, (unit & 3) * 16 * BLOCK));
    for (let at = 0; at < lone.length; at += 40) {
      peer.send(...lone.slice(at, at + 40));
      await setup.simulation.clock.run(500);
    }
    await setup.simulation.clock.run(limits.PARKED_MILLISECONDS + 1_500);
    expect(peer.count('piece')).toBeGreaterThan(limits.COLD_ALLOWANCE_BYTES / limits.COLD_UNIT_BYTES);
    expect(peer.count('reject')).toBeGreaterThan(200);
    await setup.simulation.end();
  });

  it('are rejected while the store is away, and kept for who knows no reject', async () => {
    const setup = await setUp({ cold: true, readMilliseconds: 1 });
    const [fast, old] = [await interested(setup), await interested(setup, { features: SLOW_FEATURES })];
    setup.seed.store.readError = unavailable();
    fast.send(request(0, 0));
    old.send(request(1, 0));
    await setup.simulation.clock.run(100);
    expect([fast.count('reject'), old.count('piece'), old.closed]).toEqual([1, 0, false]);
    setup.seed.store.readError = null;
    await setup.simulation.clock.run(2 * limits.READ_RETRY_MILLISECONDS);
    expect(old.count('piece')).toBe(1);
    await setup.simulation.end();
  });

  it('are given back when the peer goes in the middle', async () => {
    const setup = await setUp({ cold: true, readMilliseconds: 500 });
    const peer = await interested(setup);
    peer.send(request(0, 0), request(5, 0));
    await setup.simulation.clock.run(100);
    expect(setup.seed.engine.stats().leasedBytes).toBeGreaterThan(0);
    peer.connection.destroy();
    await setup.simulation.clock.run(1_000);
    expect(setup.seed.store.leases + setup.seed.engine.stats().leasedBytes).toBe(0);
    await setup.simulation.end();
  });

  it('that are lost are rejected', async () => {
    const setup = await setUp({ uploadBytesPerSecond: 50_000 });
    const peer = await interested(setup);
    peer.send({ type: 'extended', id: 0, payload: Buffer.from('d1:md11:lt_donthavei9eee') });
    peer.send(...Array.from({ length: 64 }, (_, block) => request(block >> 4, (block & 15) * BLOCK)));
    await setup.simulation.clock.run(100);
    setup.seed.store.lose([3]);
    peer.send(request(3, 0));
    await setup.simulation.clock.run(30_000);
    expect([peer.count('reject'), peer.count('piece')]).toEqual([17, 48]);
    expect(setup.seed.torrent.left).toBe(256 * 1024);
    await setup.simulation.end();
  });

  it('that are lost and found again are taken back, offered and served again, and the owner is told of both', async () => {
    const setup = await setUp();
    const peer = await interested(setup);
    peer.send({ type: 'extended', id: 0, payload: Buffer.from('d1:md11:lt_donthavei9eee') });
    await setup.simulation.clock.run(100);
    setup.seed.store.lose([3, 7]);
    peer.send(request(3, 0));
    await setup.simulation.clock.run(100);
    expect([peer.count('reject'), peer.count('piece')]).toEqual([1, 0]);
    const takenBack = peer.got.flatMap((message) =>
      message.type === 'extended' && message.id === 9 ? [decodeDontHave(message.payload, 16)] : [],
    );
    expect(takenBack).toEqual([3, 7]);
    setup.seed.store.find([3, 7]);
    await setup.simulation.clock.run(100);
    expect(peer.got.filter(({ type }) => type === 'have')).toEqual([
      { type: 'have', index: 3 },
      { type: 'have', index: 7 },
    ]);
    peer.send(request(3, 0));
    await setup.simulation.clock.run(1_000);
    expect([peer.count('reject'), peer.count('piece')]).toEqual([1, 1]);
    expect(setup.seed.told).toEqual(['missing 0', 'missing 2', 'missing 0']);
    await setup.simulation.end();
  });

  it('that are lost end the connection of a peer that cannot be told (BEP 54)', async () => {
    const setup = await setUp();
    const peer = await interested(setup);
    setup.seed.store.lose([3]);
    await setup.simulation.clock.run(100);
    expect(peer.closed).toBe(true);
    const again = await setup.dial();
    const list = again.got.find((message) => message.type === 'bitfield');
    expect(list?.type === 'bitfield' && list.bytes.toString('hex')).toBe('efff');
    await setup.simulation.end();
  });

  it('and are at hand are suggested only where others have all pieces too', async () => {
    const setup = await setUp();
    const peer = await interested(setup);
    await setup.simulation.clock.run(2 * limits.CHOKE_MILLISECONDS);
    expect(peer.count('suggest')).toBe(0);
    setup.seed.torrent.setOtherSeeds(true);
    await setup.simulation.clock.run(2 * limits.CHOKE_MILLISECONDS);
    expect(peer.count('suggest')).toBeGreaterThan(0);
    await setup.simulation.end();
  });
});

describe('metadata', () => {
  it('is given twice in ten minutes, no more', async () => {
    const setup = await setUp();
    const peer = await setup.dial();
    const hello = Buffer.from('d1:md11:ut_metadatai7eee');
    peer.send({ type: 'extended', id: 0, payload: hello });
    const ask = () => peer.connection.write([encodeMetadataRequest(1, 0)]);
    ask();
    ask();
    ask();
    await setup.simulation.clock.run(100);
    const kinds = peer.got.flatMap((message) =>
      message.type === 'extended' && message.id === 7 ? [decodeMetadataMessage(message.payload)?.type] : [],
    );
    expect(kinds).toEqual(['data', 'data', 'reject']);
    await setup.simulation.end();
  });
});
