// A node of ours in the DHT that gets any packets, queries and answers, and one that starts from any saved state.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { silentLog } from '../../src/lib/log.ts';
import { seededRandom } from '../../src/lib/random.ts';
import { Dht, type SavedDht } from '../../src/torrent/discovery/index.ts';
import { decode, type Encodable, encode, type HostPort } from '../../src/torrent/metainfo/index.ts';
import type { DatagramHandlers, DatagramNetwork } from '../../src/torrent/ports.ts';
import { VirtualClock } from '../simulation/virtual-clock.ts';
import type { Target } from './driver.ts';
import { encodable } from './metainfo.ts';
import { buffer, bytes, joined, partsOf } from './parts.ts';

const OWN = { host: '20.0.0.1', port: 6881 };
const FIRST = { host: '20.0.0.2', port: 6881 };
const HASH = Buffer.alloc(20, 0xab);
/** In a packet it stands for the transaction of the query that we asked last, and the packet comes from who was asked. */
const AWAITED = Buffer.from('TTTT');
const MOST_PACKETS = 8;
/** What goes out is no longer than one frame carries, and no more than some packets for each that came. */
const MOST_SENT_BYTES = 1_400;
const MOST_SENT_PACKETS = 40;
const SAVED_NODES = 200;
const NODE_BYTES = 26;

interface Packet extends HostPort {
  readonly packet: Buffer;
}

/** One node with nobody but the test around it. */
async function nodeWith(saved: SavedDht | null) {
  const clock = new VirtualClock();
  const sent: Packet[] = [];
  let handlers: DatagramHandlers | null = null;
  const network: DatagramNetwork = {
    bind: (_host, port, given) => {
      handlers = given;
      const send = (packet: Buffer, host: string, to: number) => void sent.push({ packet, host, port: to });
      return Promise.resolve({ port, send, close: () => undefined });
    },
  };
  const dht = new Dht({
    ...{ network, clock, saved, random: seededRandom(1), log: silentLog, bootstrap: [FIRST] },
    resolver: { resolve: (address) => Promise.resolve([{ address, family: 4 }]) },
    ...{ allowPrivateAddresses: false, limitLoopback: true },
  });
  await dht.start({ addresses: [OWN.host], port: OWN.port });
  const receive = (packet: Buffer, { host, port }: HostPort) => handlers?.received(packet, host, port);
  return { clock, dht, sent, receive };
}

async function readPackets(input: Buffer): Promise<boolean> {
  const { clock, dht, sent, receive } = await nodeWith(null);
  const found: HostPort[] = [];
  dht.add({ infoHash: HASH, found: (peers) => void found.push(...peers), isHungry: () => true });
  await clock.run(1_000);
  const packets = partsOf(input, MOST_PACKETS);
  const before = sent.length;
  let answered = 0;
  for (const [at, packet] of packets.entries()) {
    const asked = sent.findLast((one) => one.packet.includes('1:y1:q'));
    const place = packet.indexOf(AWAITED);
    const whole = Buffer.from(packet);
    if (place >= 0 && asked !== undefined) decode(asked.packet).need('t').bytes().copy(whole, place);
    receive(whole, place >= 0 && asked !== undefined ? asked : { host: `20.1.${at}.1`, port: 7_000 });
    await clock.run(250);
    answered += sent.some(({ packet: reply }) => reply.includes('1:y1:r')) ? 1 : 0;
  }
  assert.ok(sent.length - before <= MOST_SENT_PACKETS * packets.length, `${sent.length} packets sent`);
  for (const { packet, port } of sent) {
    assert.ok(packet.length <= MOST_SENT_BYTES && port > 0 && port <= 65_535);
    decode(packet).dictionary();
  }
  for (const { host, port } of found) assert.ok(host !== '' && port > 0 && port <= 65_535);
  const { nodes } = dht.stats();
  assert.ok(nodes <= packets.length, `${nodes} nodes that never answered`);
  dht.close();
  await clock.run(1_000);
  assert.equal(clock.pending, 0);
  return answered > 0 || nodes > 0;
}

const id = buffer(20);
const anything = fc.oneof(encodable, id, bytes(30));
const values = fc.record(
  {
    id: fc.oneof({ arbitrary: id, weight: 5 }, { arbitrary: anything, weight: 1 }),
    target: id,
    info_hash: fc.oneof(fc.constant(HASH), id),
    port: fc.oneof(fc.nat(70_000), anything),
    implied_port: fc.nat(1),
    token: bytes(20),
    want: fc.oneof(fc.constant(['n4', 'n6']), anything),
    nodes: fc.oneof(buffer(NODE_BYTES), bytes(60), anything),
    nodes6: fc.oneof(buffer(38), anything),
    values: fc.oneof(fc.array(fc.oneof(buffer(6), buffer(18), bytes(9)), { maxLength: 5 }), anything),
  },
  { requiredKeys: ['id'] },
);
const query = fc
  .record({ q: fc.constantFrom('ping', 'find_node', 'get_peers', 'announce_peer', 'vote'), a: values, ro: fc.nat(2) })
  .map((one) => encode({ ...one, t: 'aa', y: 'q' } as Encodable));
const answer = fc
  .record({ r: values, ip: fc.oneof(buffer(6), buffer(18), anything) })
  .map((one) => encode({ ...one, t: AWAITED, y: 'r' } as Encodable));
const refusal = anything.map((e) => encode({ e, t: AWAITED, y: 'e' }));
const packet = fc.oneof(query, answer, refusal);

async function readSaved(input: Buffer): Promise<boolean> {
  let saved: unknown;
  try {
    saved = JSON.parse(input.toString());
  } catch {
    return false;
  }
  // As seed's DhtMemory has it: what is no object was never saved.
  const first = await nodeWith(typeof saved === 'object' ? (saved as SavedDht | null) : null);
  await first.clock.run(1_000);
  const { ipv4 } = first.dht.snapshot();
  assert.match(ipv4?.id ?? '', /^[0-9a-f]{40}$/);
  assert.ok((ipv4?.nodes.length ?? 0) <= 2 * NODE_BYTES * SAVED_NODES);
  const second = await nodeWith(first.dht.snapshot());
  assert.deepEqual(second.dht.snapshot().ipv4, ipv4);
  for (const { dht } of [first, second]) dht.close();
  return (ipv4?.nodes.length ?? 0) > 0;
}

const hex = (of: fc.Arbitrary<Buffer>) => of.map((some) => some.toString('hex'));
const savedNode = fc.oneof(
  fc.record({
    id: fc.oneof(hex(id), hex(bytes(30))),
    nodes: fc.oneof(hex(fc.array(buffer(NODE_BYTES), { maxLength: 5 }).map((all) => Buffer.concat(all))), fc.string()),
  }),
  fc.jsonValue(),
);

export const DHT: readonly Target[] = [
  {
    name: 'dht-packets',
    isRefusal: () => false,
    drawn: fc.array(packet, { minLength: 1, maxLength: MOST_PACKETS }).map(joined),
    read: readPackets,
  },
  {
    name: 'dht-saved',
    isRefusal: () => false,
    drawn: fc.record({ ipv4: savedNode, ipv6: savedNode }).map((one) => Buffer.from(JSON.stringify(one))),
    read: readSaved,
  },
];
