// Goes over limits that no other test goes over; docs of each are in limits.ts.
import { describe, expect, it } from 'vitest';
import { type RawOptions, RawPeer } from '../../../test/simulation/raw-peer.ts';
import { type NodeOptions, Simulation } from '../../../test/simulation/swarm.ts';
import type { VirtualConnection } from '../../../test/simulation/virtual-connection.ts';
import { decodeMetadataMessage, encodeMetadataRequest, type Message } from '../wire/index.ts';
import { Blame } from './blame.ts';
import { ColdBudget } from './cold-budget.ts';
import * as limits from './limits.ts';
import { PartialPiece } from './partial-piece.ts';
import { PeerBook } from './peer-book.ts';
import { PeerPieces } from './peer-pieces.ts';
import { PeerRequests } from './peer-requests.ts';
import { Places } from './places.ts';
import type { PeerSession } from './session.ts';

const BLOCK = 16_384;
const MIB = 1_048_576;
const OLD = { extended: false, fast: false, dht: false };

const request = (index: number, begin: number): Message => ({ type: 'request', index, begin, length: BLOCK });

async function setUp(options: NodeOptions = {}, bytes = 4 * MIB, pieceLength = 256 * 1024) {
  const simulation = new Simulation({ bytes, pieceLength });
  const seed = await simulation.seed(options);
  let count = 0;
  const begin = (more: Partial<RawOptions> = {}) => {
    const { infoHash, pieceCount } = simulation.info;
    const number = ++count;
    const peerId = Buffer.from(`-XX0001-${String(number).padStart(12, '0')}`);
    const network = simulation.network.host(`30.${number >> 8}.${number & 255}.1`);
    return RawPeer.dial(network, seed.address, seed.port, { infoHash, pieceCount, peerId, ...more });
  };
  const dial = async (more: Partial<RawOptions> = {}) => {
    const dialling = begin(more);
    await simulation.clock.run(50);
    return dialling;
  };
  return { simulation, seed, dial, begin };
}

describe('of connections', () => {
  it('a torrent has 60 and the process 500, by default', async () => {
    const one = await setUp();
    const peers = [];
    for (let at = 0; at < 62; at++) peers.push(await one.dial());
    expect([one.seed.torrent.stats().peers, peers.filter(({ closed }) => closed).length]).toEqual([60, 2]);
    await one.simulation.end();
    const all = await setUp({ limits: { connectionsPerTorrent: 1_000 } });
    const dialling = Array.from({ length: 503 }, () => all.begin());
    await all.simulation.clock.run(200);
    const closed = (await Promise.all(dialling)).filter((peer) => peer.closed).length;
    expect([all.seed.engine.stats().connections, closed]).toEqual([500, 3]);
    await all.simulation.end();
  });

  it('an IPv6 /64 has sixteen, and each address two', () => {
    const places = new Places(false);
    expect(['2001:db8::1', '2001:db8::1', '2001:db8::1'].map((host) => places.enter(host))).toEqual([
      true,
      true,
      false,
    ]);
    const entered = Array.from({ length: 20 }, (_, at) => places.enter(`2001:db8::a:${at + 1}`));
    expect(entered.filter(Boolean).length).toBe(limits.CONNECTIONS_PER_NETWORK - 2);
    expect(places.enter('2001:db8:0:1::1')).toBe(true);
    places.leave('2001:db8::1');
    expect(places.enter('2001:db8::b')).toBe(true);
  });

  it('so many that dialling leaves free are kept for those who come', async () => {
    const { simulation, seed } = await setUp({ limits: { connectionsPerTorrent: 20 } });
    const hosts = Array.from({ length: 30 }, (_, at) => ({ host: `203.2.${at}.1`, port: 6881 }));
    seed.torrent.addPeers(hosts, 'tracker');
    await simulation.clock.run(5_000);
    expect(seed.engine.stats().halfOpenConnections).toBe(20 - limits.PLACES_FOR_INCOMING);
    await simulation.clock.run(10_000);
    await simulation.end();
  });
});

describe('of addresses', () => {
  const rules = { allowPrivateAddresses: false, limitLoopback: false, blocks: () => false, priorityOf: () => 0 };

  it(`${limits.KNOWN_PEERS} are known; one more takes the place of one that failed`, () => {
    const book = new PeerBook(false, rules);
    for (let at = 0; at < limits.KNOWN_PEERS; at++) book.add(`40.1.${at >> 8}.${at & 255}`, 1, 'tracker', 0);
    expect([book.size, book.add('50.1.1.1', 1, 'tracker', 0)]).toEqual([limits.KNOWN_PEERS, false]);
    const failed = book.next(0, () => true);
    if (failed !== null) book.done(failed, false, 0);
    expect([book.add('50.1.1.1', 1, 'tracker', 0), book.size]).toEqual([true, limits.KNOWN_PEERS]);
  });

  it(`${limits.BANNED_PEERS} are banned; the oldest goes first; of loopback only a port is, unless told so`, () => {
    const book = new PeerBook(false, rules);
    for (let at = 0; at <= limits.BANNED_PEERS; at++) book.ban(`40.1.${at >> 8}.${at & 255}`, 7);
    expect(['40.1.0.0', '40.1.0.1', '40.1.39.16'].map((host) => book.isBanned(host, null))).toEqual([
      false,
      true,
      true,
    ]);
    book.ban('127.0.0.1', 7);
    expect([book.isBanned('127.0.0.1', 7), book.isBanned('127.0.0.1', 8)]).toEqual([true, false]);
    const strict = new PeerBook(false, { ...rules, limitLoopback: true });
    strict.ban('127.0.0.1', 7);
    expect(strict.isBanned('127.0.0.1', 8)).toBe(true);
  });
});

describe('of what is queued for a peer', () => {
  it('requests beyond the queue are dropped for one that knows no reject, and are no offence', async () => {
    const { simulation, dial } = await setUp({ uploadBytesPerSecond: 8_000_000 }, 40 * MIB, MIB);
    const peer = await dial({ features: OLD });
    peer.send({ type: 'interested' });
    await simulation.clock.run(50);
    peer.send(...Array.from({ length: 2_300 }, (_, block) => request(block >> 6, (block & 63) * BLOCK)));
    await simulation.clock.run(10_000);
    expect([peer.count('piece'), peer.count('reject'), peer.closed]).toEqual([limits.QUEUED_REQUESTS, 0, false]);
    await simulation.end();
  });

  it('memory of all peers together is bounded when none of them reads', async () => {
    const leasedBytes = 4 * MIB;
    const { simulation, seed, dial } = await setUp({ uploadBytesPerSecond: 100, limits: { leasedBytes } });
    for (let at = 0; at < 18; at++) {
      const peer = await dial();
      peer.send({ type: 'interested' });
      await simulation.clock.run(20);
      peer.send(...Array.from({ length: 200 }, (_, block) => request(block >> 4, (block & 15) * BLOCK)));
      await simulation.clock.run(100);
      // Beyond it each is given copies, as much as the system may hold for it.
      expect(seed.store.leases * 256 * 1024).toBeLessThanOrEqual(leasedBytes);
      expect(seed.engine.stats().leasedBytes).toBeLessThanOrEqual(leasedBytes + (at + 1) * limits.PEER_HELD_BYTES);
    }
    const before = seed.torrent.stats().peers;
    await simulation.clock.run(2 * limits.LEASE_MILLISECONDS);
    // The slow ones go while memory is short.
    expect(seed.torrent.stats().peers).toBeLessThan(before);
    expect(seed.engine.stats().leasedBytes).toBeLessThanOrEqual(leasedBytes / 2 + limits.PEER_HELD_BYTES);
    await simulation.end();
  });

  it('a peer that reads nothing and makes us answer goes', async () => {
    const { simulation, seed, dial } = await setUp({ uploadBytesPerSecond: 10 });
    const peer = await dial();
    const ours = (peer.connection as VirtualConnection).other;
    for (let at = 0; at < 100 && seed.torrent.stats().peers > 0; at++) {
      // Each of them is rejected while the peer is choked.
      peer.send(...Array.from({ length: 1_000 }, (_, block) => request(1, block % 16)));
      await simulation.clock.run(100);
      expect(ours?.queuedBytes ?? 0).toBeLessThan(2.1 * limits.SEND_BUFFER_BYTES);
    }
    expect(seed.torrent.stats().peers).toBe(0);
    await simulation.end();
  });

  it(`${limits.METADATA_REQUESTS_QUEUED} requests for metadata wait, and the window opens again`, async () => {
    // 70,000 pieces: 1.3 MiB of metadata.
    const { simulation, dial } = await setUp({ uploadBytesPerSecond: 50_000 }, 70_000 * 64, 64);
    const peer = await dial();
    peer.send({ type: 'extended', id: 0, payload: Buffer.from('d1:md11:ut_metadatai7eee') });
    await simulation.clock.run(1_000);
    const kinds = () =>
      peer.got.flatMap((message) =>
        message.type === 'extended' && message.id === 7 ? [decodeMetadataMessage(message.payload)?.type] : [],
      );
    const ask = (times: number) => {
      const asked = Array.from({ length: times }, (_, piece) => encodeMetadataRequest(1, piece % 80));
      peer.connection.write([Buffer.concat(asked)]);
    };
    ask(120);
    await simulation.clock.run(60_000);
    const given = kinds().filter((kind) => kind === 'data').length;
    expect(given).toBeGreaterThanOrEqual(limits.METADATA_REQUESTS_QUEUED);
    expect(given).toBeLessThanOrEqual(limits.METADATA_REQUESTS_QUEUED + limits.SEND_BUFFER_BYTES / BLOCK + 1);
    expect(kinds().length).toBe(120);
    for (let at = 0; at < 5; at++) {
      ask(60);
      await simulation.clock.run(60_000);
    }
    const most = (limits.METADATA_SENT_TIMES * simulation.info.rawInfo.length) / BLOCK + 2;
    expect(kinds().filter((kind) => kind === 'data').length).toBeLessThanOrEqual(most);
    for (let at = 0; at < 4; at++) {
      peer.send({ type: 'keepAlive' });
      await simulation.clock.run(limits.METADATA_WINDOW_MILLISECONDS / 4);
    }
    ask(1);
    await simulation.clock.run(1_000);
    expect(kinds().at(-1)).toBe('data');
    await simulation.end();
  });
});

describe('of reads from far away', () => {
  it(`hints reach ${limits.COLD_BYTES / MIB} MiB along a peer's queue`, async () => {
    const { simulation, seed, dial } = await setUp(
      { cold: true, readMilliseconds: 10, uploadBytesPerSecond: 1_000 },
      40 * MIB,
      MIB,
    );
    const peer = await dial();
    peer.send({ type: 'interested' });
    await simulation.clock.run(50);
    peer.send(...Array.from({ length: 1_900 }, (_, block) => request(block >> 6, (block & 63) * BLOCK)));
    await simulation.clock.run(5_000);
    const end = Math.max(...seed.store.prefetches.map(({ offset, length }) => offset + length));
    expect(end).toBeGreaterThan(limits.COLD_BYTES / 2);
    // Behind the reads under way themselves.
    expect(end).toBeLessThanOrEqual(limits.COLD_BYTES + (limits.COLD_READS + 1) * limits.RUN_BYTES);
    expect(seed.store.reads).toBeLessThanOrEqual(limits.COLD_READS);
    await simulation.end();
  });

  it('lone blocks have their allowance by the hour, and what is taken four times its bytes', () => {
    const budget = new ColdBudget(0);
    const unit = limits.COLD_UNIT_BYTES;
    let at = 0;
    const fetchAll = (now: number) => {
      let count = 0;
      while (budget.fetch(2 * unit * at, BLOCK, now)) {
        at++;
        count++;
      }
      return count;
    };
    expect(fetchAll(0)).toBe(limits.COLD_ALLOWANCE_BYTES / unit);
    budget.taken(10 * unit);
    expect(fetchAll(0)).toBe(10 * limits.COLD_FETCHED_PER_TAKEN);
    expect(fetchAll(1_800_000)).toBe(limits.COLD_ALLOWANCE_BYTES / unit / 2);
    budget.taken(1e12);
    expect(fetchAll(1_800_000)).toBe(limits.COLD_ALLOWANCE_BYTES / unit);
  });
});

describe('of what a peer sends', () => {
  it(`${limits.UNASKED_BYTES / MIB} MiB that nobody asked for are too many`, () => {
    const requests = new PeerRequests(0);
    const most = limits.UNASKED_BYTES / BLOCK;
    for (let key = 0; key < most; key++) expect(requests.received(key, BLOCK, 0)).toBe('unasked');
    expect(requests.received(most, BLOCK, 0)).toBe('flood');
  });

  it(`${limits.BAD_PIECES} bad pieces it took part in ban it; one that it sent alone does at once`, () => {
    const blame = new Blame();
    const sessionOf = () => ({ requests: new PeerRequests(0) }) as unknown as PeerSession;
    const [liar, ...others] = Array.from({ length: 4 }, sessionOf) as [PeerSession, ...PeerSession[]];
    const bad = (index: number, first: PeerSession, second: PeerSession, now: number) => {
      const partial = new PartialPiece(index, 2 * BLOCK, first, false, now);
      partial.receive(0, Buffer.alloc(BLOCK, 1), first);
      partial.receive(1, Buffer.alloc(BLOCK, 2), second);
      return blame.bad(partial, partial.data, now + 1);
    };
    const banned = others.map((other, at) => bad(at, liar, other, 10 * at + 10));
    expect(banned.slice(0, limits.BAD_PIECES)).toEqual([[], [], [liar]]);
    const alone = sessionOf();
    expect(bad(9, alone, alone, 100)).toEqual([alone]);
  });

  it(`${limits.EARLY_HAVES} haves are kept until there is metadata`, () => {
    const pieces = new PeerPieces(null);
    for (let index = 0; index <= limits.EARLY_HAVES; index++) pieces.have(index);
    pieces.setCount(limits.EARLY_HAVES + 1);
    expect(pieces.pieces?.count).toBe(limits.EARLY_HAVES);
  });

  it(`at most ${limits.REQUESTS_IN_FLIGHT} blocks are asked of it, whatever its speed and its queue`, () => {
    const requests = new PeerRequests(0);
    requests.setPeerQueue(1_000_000);
    expect(requests.room).toBe(limits.FIRST_REQUESTS);
    for (let key = 0; key < 10_000; key++) {
      requests.asked(key, key);
      requests.received(key, BLOCK, key);
    }
    expect(requests.room).toBe(limits.REQUESTS_IN_FLIGHT);
    requests.setPeerQueue(limits.DEFAULT_PEER_QUEUE);
    expect(requests.room).toBe(limits.DEFAULT_PEER_QUEUE);
  });

  it(`it owes blocks for ${limits.SNUB_MILLISECONDS / 1_000} s and is asked for one at a time then`, () => {
    const requests = new PeerRequests(0);
    requests.asked(1, 0);
    expect(requests.tick(limits.SNUB_MILLISECONDS - 1, 1_000)).toBe(false);
    expect(requests.tick(limits.SNUB_MILLISECONDS, 1_000)).toBe(true);
    requests.giveUp(1);
    expect([requests.room, requests.received(1, BLOCK, 30_000), requests.room > 1]).toEqual([1, 'late', true]);
  });
});
