import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RawPeer } from '../../test/simulation/raw-peer.ts';
import { Simulation } from '../../test/simulation/swarm.ts';
import { BaeError } from '../lib/errors.ts';
import { MOST_FILTER_LINE, MOST_FILTER_RANGES, parseIpFilter } from './ip-filter.ts';
import { RangeTable } from './range-table.ts';

const filterOf = (...lines: string[]) => parseIpFilter(lines.join('\n'), 'list');

describe('a list of blocked addresses', () => {
  it.each<[string, string, string[], string[]]>([
    ['a network', '20.1.2.0/23', ['20.1.2.0', '20.1.3.255', '::ffff:20.1.2.1'], ['20.1.1.255', '20.1.4.0']],
    ['a network named by any address of it', '20.1.2.77/24', ['20.1.2.0', '20.1.2.255'], ['20.1.3.0']],
    ['everything', '0.0.0.0/0', ['0.0.0.0', '255.255.255.255'], ['2a00::1']],
    ['an address', '20.1.2.3', ['20.1.2.3'], ['20.1.2.2', '20.1.2.4']],
    ['a range', '20.1.2.3-20.1.2.5', ['20.1.2.3', '20.1.2.5'], ['20.1.2.2', '20.1.2.6']],
    ['PeerGuardian', 'Some, Name-x:y:20.1.2.3-20.1.2.5', ['20.1.2.3', '20.1.2.5'], ['20.1.2.2', '20.1.2.6']],
    ['eMule', '020.001.002.003 - 020.001.002.009 , 000 , a-b, c', ['20.1.2.3', '20.1.2.9'], ['20.1.2.10']],
    ['eMule, at the last blocked level', '20.1.2.3 - 20.1.2.9 , 127', ['20.1.2.3'], ['20.1.2.10']],
    ['eMule, let in', '20.1.2.3 - 20.1.2.9 , 128 , friends', [], ['20.1.2.3']],
    ['an IPv6 network', '2a00:1::/33', ['2a00:1::', '2a00:1:7fff::1'], ['2a00:1:8000::', '2a00::', '20.1.2.3']],
    ['an IPv6 address', '2a00::5', ['2a00::5', '2a00:0:0::5'], ['2a00::4', '2a00::6']],
    ['PeerGuardian with IPv6', 'name:2a00::5-2a00::9', ['2a00::5', '2a00::9'], ['2a00::4', '2a00::a']],
    ['an address with a zone', 'fe80::/10', ['fe80::1%eth0'], ['2a00::1']],
    ['comments and spaces', '# 20.1.2.3\r\n// 20.1.2.3\r\n\r\n  20.1.2.4  \r\n', ['20.1.2.4'], ['20.1.2.3']],
    ['nothing', '', [], ['20.1.2.3', '2a00::1']],
    ['what is no address', '', ['a name', '', '20.1.2'], []],
  ])('knows %s', (_, text, blocked, free) => {
    const filter = filterOf(text);
    expect(blocked.filter((address) => !filter.blocks(address))).toEqual([]);
    expect(free.filter((address) => filter.blocks(address))).toEqual([]);
  });

  it.each([
    'hello',
    '20.1.2.256',
    '20.1.2',
    '20.1.2.0/33',
    '2a00::/129',
    '20.1.2.0/',
    '20.1.2.5-20.1.2.4',
    '20.1.2.5-2a00::1',
    'name:20.1.2.5-',
    '-20.1.2.5',
    '20.1.2.3 - 20.1.2 , 000 , name',
    'x'.repeat(MOST_FILTER_LINE + 1),
  ])('names the line that is wrong: %s', (line) => {
    expect(() => filterOf('20.1.2.3', '', line, '20.1.2.4')).toThrow(/^The IP filter list, line 3: .*\.$/);
  });

  it('joins ranges that overlap, in whatever order they come', () => {
    const filter = filterOf('20.0.0.9-20.0.0.20', '20.0.0.0-20.0.0.9', '20.0.0.3-20.0.0.4', '2a00::/64', '2a00::/32');
    expect(filter.size).toBe(2);
    const inside = ['20.0.0.0', '20.0.0.5', '20.0.0.15', '20.0.0.20', '2a00:0:1::'];
    expect(inside.every((address) => filter.blocks(address))).toBe(true);
    expect(filter.blocks('20.0.0.21')).toBe(false);
  });

  it('judges like a list that is walked through, whatever the ranges', () => {
    const byte = fc.nat(255);
    const bytes = fc
      .tuple(fc.constantFrom(0, 127, 128, 255), fc.constant(0), byte, byte)
      .map((all) => Buffer.from(all));
    const range = fc.tuple(bytes, bytes).map((two) => two.sort(Buffer.compare));
    fc.assert(
      fc.property(fc.array(range, { maxLength: 40 }), fc.array(bytes, { maxLength: 40 }), (ranges, asked) => {
        const table = new RangeTable(4);
        for (const [first, last] of ranges) table.add(first as Buffer, last as Buffer);
        table.seal();
        for (const one of [...asked, ...ranges.flat()]) {
          const within = ([first, last]: Buffer[]) =>
            Buffer.compare(first as Buffer, one) <= 0 && Buffer.compare(one, last as Buffer) <= 0;
          expect(table.has(one)).toBe(ranges.some(within));
        }
      }),
    );
  });

  it('throws nothing but BaeError, whatever the text', () => {
    const letters = fc.constantFrom(...'0123456789.:-/, abf#\n');
    const text = fc.oneof(
      fc.string(),
      fc.array(letters, { maxLength: 80 }).map((all) => all.join('')),
    );
    fc.assert(
      fc.property(text, (list) => {
        try {
          parseIpFilter(list, 'list');
        } catch (error) {
          expect(error).toBeInstanceOf(BaeError);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('holds a million ranges in eight bytes each, and no more than it may', () => {
    const table = new RangeTable(4);
    const address = Buffer.alloc(4);
    for (let at = 0; at < 1_000_000; at++) {
      address.writeUInt32BE(at * 4_000);
      table.add(address, address);
    }
    table.seal();
    expect(table.size).toBe(1_000_000);
    let found = 0;
    for (let at = 0; at < 1_000_000; at += 999) {
      address.writeUInt32BE(at * 4_000);
      if (table.has(address)) found++;
      address.writeUInt32BE(at * 4_000 + 1);
      if (table.has(address)) found++;
    }
    expect(found).toBe(1_002);
  });

  it('is read up to its bounds', () => {
    const most = '1.1.1.1\n1.1.1.9\n# nothing\n1.1.1.5\n';
    expect(parseIpFilter(most, 'list', 3).size).toBe(3);
    expect(() => parseIpFilter(`${most}1.1.1.1`, 'list', 3)).toThrow('line 5: is one range more than the 3 that fit');
    expect(parseIpFilter(`1.1.1.1${' '.repeat(MOST_FILTER_LINE - 7)}`, 'list').size).toBe(1);
    expect(MOST_FILTER_RANGES).toBeGreaterThanOrEqual(1_000_000);
  });
});

describe('blocked peers', () => {
  it('are neither dialled nor answered', async () => {
    const simulation = new Simulation({ bytes: 100_000, pieceLength: 16_384 });
    const filter = filterOf('20.9.0.0/16');
    const seed = await simulation.seed({ filter });
    const blocked = await simulation.node({ address: '20.9.0.1' });
    const free = await simulation.node({ address: '20.8.0.1' });
    simulation.introduce(seed, blocked);
    simulation.introduce(blocked, seed);
    simulation.introduce(free, seed);
    const dialling = RawPeer.dial(simulation.network.host('20.9.0.2'), seed.address, seed.port, simulation.info);
    await simulation.complete(free, 30_000);
    expect((await dialling).closed).toBe(true);
    expect(simulation.network.dials.filter((dial) => dial.startsWith(`${seed.address} >`))).toEqual([]);
    expect(blocked.torrent.stats().peers).toBe(0);
    await simulation.end();
  });
});
