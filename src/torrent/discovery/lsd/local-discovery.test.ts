import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../../test/simulation/virtual-clock.ts';
import { VirtualMulticast } from '../../../../test/simulation/virtual-multicast.ts';
import { silentLog } from '../../../lib/log.ts';
import { seededRandom } from '../../../lib/random.ts';
import { LSD_ANNOUNCE_MILLISECONDS, LSD_HASHES, LSD_PACKET_MILLISECONDS, LSD_PACKETS_PER_SECOND } from './limits.ts';
import { LocalDiscovery, LSD_GROUPS } from './local-discovery.ts';
import { decodeLocalAnnounce, encodeLocalAnnounce } from './message.ts';

const hash = (number: number) => {
  const bytes = Buffer.alloc(20);
  bytes.writeUInt32BE(number);
  return bytes;
};

function setUp() {
  const clock = new VirtualClock();
  const network = new VirtualMulticast(clock);
  let count = 0;
  const node = async (address: string, addresses: readonly string[] = ['0.0.0.0']) => {
    const random = seededRandom(++count);
    const local = new LocalDiscovery({ network: network.host(address), clock, random, log: silentLog });
    await local.start({ addresses, port: 6881 });
    const found: string[] = [];
    const add = (number: number) =>
      local.add({
        infoHash: hash(number),
        found: (peers) => void found.push(...peers.map(({ host, port }) => `${number} at ${host} ${port}`)),
      });
    return { local, found, add };
  };
  const packets = () => network.sent.map(({ packet }) => decodeLocalAnnounce(packet));
  return { clock, network, node, packets };
}

const announce = (port: number, ...numbers: number[]) =>
  encodeLocalAnnounce('x', { port, infoHashes: numbers.map(hash), cookie: null });

describe('local service discovery', () => {
  it('makes two nodes with a torrent in common find each other, and nobody else', async () => {
    const { clock, node } = setUp();
    const [one, two, three] = [await node('10.0.0.1'), await node('10.0.0.2'), await node('10.0.0.3')];
    for (const number of [1, 2]) one.add(number);
    for (const number of [2, 3]) two.add(number);
    three.add(4);
    await clock.run(5_000);
    expect([one.found, two.found, three.found]).toEqual([['2 at 10.0.0.2 6881'], ['2 at 10.0.0.1 6881'], []]);
    for (const { local } of [one, two, three]) local.close();
  });

  it('announces a torrent once in five minutes, with others in one packet, not one packet more a minute', async () => {
    const { clock, network, node, packets } = setUp();
    const { add, local } = await node('10.0.0.1');
    for (let number = 0; number < 60; number++) add(number);
    await clock.run(LSD_ANNOUNCE_MILLISECONDS - 10_000);
    expect(packets().map((packet) => packet?.infoHashes.length)).toEqual([LSD_HASHES, LSD_HASHES, 12]);
    await clock.run(30 * 60_000);
    const times = new Map<string, number[]>();
    network.sent.forEach(({ at, packet }) => {
      for (const infoHash of decodeLocalAnnounce(packet)?.infoHashes ?? []) {
        times.set(infoHash.toString('hex'), [...(times.get(infoHash.toString('hex')) ?? []), at]);
      }
    });
    expect(times.size).toBe(60);
    const pauses = (all: readonly number[]) => all.slice(1).map((at, index) => at - (all[index] as number));
    for (const all of times.values()) {
      expect(all.length).toBeGreaterThan(5);
      expect(Math.min(...pauses(all))).toBeGreaterThanOrEqual(LSD_ANNOUNCE_MILLISECONDS);
    }
    expect(Math.min(...pauses(network.sent.map(({ at }) => at)))).toBeGreaterThanOrEqual(LSD_PACKET_MILLISECONDS);
    local.close();
  });

  it('takes thousands of torrents in turn, new ones first', async () => {
    const { clock, node, packets } = setUp();
    const { add, local } = await node('10.0.0.1');
    for (let number = 0; number < 500; number++) add(number);
    const minutes = Math.ceil(500 / LSD_HASHES);
    await clock.run(minutes * LSD_PACKET_MILLISECONDS + 5_000);
    expect(
      new Set(packets().flatMap((packet) => packet?.infoHashes.map((one) => one.toString('hex')) ?? [])).size,
    ).toBe(500);
    add(1_000);
    await clock.run(2 * LSD_PACKET_MILLISECONDS);
    const named = packets().flatMap((packet) => packet?.infoHashes ?? []);
    expect(named.some((one) => one.equals(hash(1_000)))).toBe(true);
    local.close();
  });

  it('asks for a torrent that is not announced here whether it would take peers', async () => {
    const { clock, network, node } = setUp();
    const { add, found, local } = await node('10.0.0.1');
    add(1);
    const sought: number[] = [];
    const woken: unknown[] = [];
    local.dormant = (infoHash) => {
      sought.push(infoHash.readUInt32BE(0));
      return infoHash.equals(hash(2)) ? { found: (peers) => woken.push(peers) } : null;
    };
    network.send(announce(7_000, 1, 2, 3), '10.0.0.9', LSD_GROUPS.ipv4);
    await clock.run(1_000);
    expect([found, sought]).toEqual([['1 at 10.0.0.9 7000'], [2, 3]]);
    expect(woken).toEqual([[{ host: '10.0.0.9', port: 7_000 }]]);
    local.close();
  });

  it('no longer names or finds a torrent that is stopped', async () => {
    const { clock, network, node, packets } = setUp();
    const { add, found, local } = await node('10.0.0.1');
    const [stopped] = [add(1), add(2)];
    stopped?.stop();
    await clock.run(2_000);
    network.send(announce(7_000, 1, 2), '10.0.0.9', LSD_GROUPS.ipv4);
    await clock.run(LSD_ANNOUNCE_MILLISECONDS * 3);
    expect(
      new Set(
        packets()
          .slice(1)
          .flatMap((packet) => packet?.infoHashes.map((one) => one.readUInt32BE())),
      ),
    ).toEqual(new Set([1, 2]));
    expect(
      packets().filter((packet) => packet?.cookie !== null && packet?.infoHashes.some((one) => one.equals(hash(1)))),
    ).toEqual([]);
    expect(found).toEqual(['2 at 10.0.0.9 7000']);
    local.close();
  });

  it(`reads ${LSD_PACKETS_PER_SECOND} packets a second and drops the rest of a flood`, async () => {
    const { clock, network, node } = setUp();
    const { add, found, local } = await node('10.0.0.1');
    add(1);
    await clock.run(2_500);
    for (let count = 1; count <= 10 * LSD_PACKETS_PER_SECOND; count++) {
      network.send(announce(count, 1), '10.0.0.9', LSD_GROUPS.ipv4);
    }
    await clock.run(100);
    expect(found.length).toBe(LSD_PACKETS_PER_SECOND);
    await clock.run(1_000);
    network.send(announce(9_999, 1), '10.0.0.9', LSD_GROUPS.ipv4);
    await clock.run(100);
    expect(found.at(-1)).toBe('1 at 10.0.0.9 9999');
    local.close();
  });

  it('speaks in both groups, and joins again what it lost or could not join', async () => {
    const { clock, network, node } = setUp();
    network.isDown = true;
    const { add, found, local } = await node('10.0.0.1', ['0.0.0.0', '::']);
    add(1);
    await clock.run(LSD_PACKET_MILLISECONDS);
    expect(network.sent).toEqual([]);
    network.isDown = false;
    await clock.run(LSD_ANNOUNCE_MILLISECONDS);
    network.fail();
    await clock.run(2 * LSD_ANNOUNCE_MILLISECONDS);
    network.send(announce(80, 1), '10.0.0.9', LSD_GROUPS.ipv6);
    await clock.run(1_000);
    expect(new Set(network.sent.map(({ path }) => path))).toEqual(
      new Set([`10.0.0.1 > ${LSD_GROUPS.ipv4}`, `10.0.0.1 > ${LSD_GROUPS.ipv6}`, `10.0.0.9 > ${LSD_GROUPS.ipv6}`]),
    );
    expect(found).toEqual(['1 at 10.0.0.9 80']);
    local.close();
    network.send(announce(81, 1), '10.0.0.9', LSD_GROUPS.ipv6);
    await clock.run(2 * LSD_ANNOUNCE_MILLISECONDS);
    expect(found.length).toBe(1);
  });
});
