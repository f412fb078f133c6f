import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../../test/simulation/virtual-clock.ts';
import { seededRandom } from '../../../lib/random.ts';
import { Addresses } from './addresses.ts';
import { AddressBuckets, Blocklist, TokenBucket } from './caps.ts';
import { ExternalAddress } from './external-address.ts';
import * as limits from './limits.ts';
import { PeerStore } from './peer-store.ts';
import { Tokens } from './tokens.ts';

const PUBLIC = new Addresses({ allowPrivateAddresses: false, limitLoopback: false });
const hashOf = (number: number) => {
  const hash = Buffer.alloc(20);
  hash.writeUInt32BE(number);
  return hash;
};
const addressOf = (number: number) => `20.${number >> 16}.${(number >> 8) & 255}.${number & 255}`;

describe('addresses', () => {
  it('of the public internet alone are spoken to, unless the settings allow others', () => {
    const all = new Addresses({ allowPrivateAddresses: true, limitLoopback: false });
    expect(
      ['20.1.1.1', '2600::1', '127.0.0.1', '10.1.1.1', 'fe80::1', '0.0.0.0'].map((host) => PUBLIC.isAllowed(host)),
    ).toEqual([...[true, true, false, false, false, false]]);
    expect(['20.1.1.1', '127.0.0.1', '10.1.1.1', 'a.name', ''].map((host) => all.isAllowed(host))).toEqual([
      ...[true, true, true, false, false],
    ]);
  });

  it('of one IPv6 /64 are one owner; loopback has none unless it is limited', () => {
    expect(PUBLIC.ownerOf('2600:1:2:3::1')).toBe(PUBLIC.ownerOf('2600:1:2:3:ffff::2'));
    expect(PUBLIC.ownerOf('2600:1:2:3::1')).not.toBe(PUBLIC.ownerOf('2600:1:2:4::1'));
    expect([PUBLIC.ownerOf('127.0.0.1'), PUBLIC.ownerOf('::1'), PUBLIC.ownerOf('20.1.1.1')]).toEqual([
      null,
      null,
      '20.1.1.1',
    ]);
    const limited = new Addresses({ allowPrivateAddresses: true, limitLoopback: true });
    expect(limited.ownerOf('127.0.0.1')).toBe('127.0.0.1');
  });
});

describe('tokens', () => {
  const clock = new VirtualClock();
  const tokens = new Tokens(clock, seededRandom(1));

  it('are good for their address and info-hash, for five to ten minutes', async () => {
    const token = tokens.make('20.1.1.1', hashOf(1));
    const check = () => tokens.check(token, '20.1.1.1', hashOf(1));
    expect(check()).toBe(true);
    expect(tokens.check(token, '20.1.1.2', hashOf(1))).toBe(false);
    expect(tokens.check(token, '20.1.1.1', hashOf(2))).toBe(false);
    for (const wrong of ['', 'x', 'longer than any token of ours']) {
      expect(tokens.check(Buffer.from(wrong), '20.1.1.1', hashOf(1))).toBe(false);
    }
    await clock.run(limits.SECRET_MILLISECONDS);
    expect(check()).toBe(true);
    await clock.run(limits.SECRET_MILLISECONDS);
    expect(check()).toBe(false);
  });

  it('do not outlive a long silence', async () => {
    const token = tokens.make('20.1.1.1', hashOf(1));
    await clock.run(2 * limits.SECRET_MILLISECONDS);
    expect(tokens.check(token, '20.1.1.1', hashOf(1))).toBe(false);
  });
});

describe('peers that others announce', () => {
  const make = () => {
    const clock = new VirtualClock();
    return { clock, store: new PeerStore(clock, seededRandom(1), PUBLIC) };
  };

  it('are given back, one an address, of the family that asks', () => {
    const { store } = make();
    for (const [host, port] of [
      ['20.1.1.1', 1],
      ['20.1.1.1', 2],
      ['2600::1', 3],
    ] as const)
      store.add(hashOf(1), { host, port });
    expect(store.peers(hashOf(1), 4, 10)).toEqual([{ host: '20.1.1.1', port: 2 }]);
    expect(store.peers(hashOf(1), 6, 10)).toEqual([{ host: '2600::1', port: 3 }]);
    expect([store.size, store.torrents, store.peers(hashOf(2), 4, 10)]).toEqual([2, 1, []]);
  });

  it('are forgotten when they do not announce again', async () => {
    const { clock, store } = make();
    store.add(hashOf(1), { host: '20.1.1.1', port: 1 });
    await clock.run(limits.STORED_MILLISECONDS / 2);
    store.add(hashOf(2), { host: '20.1.1.2', port: 1 });
    await clock.run(limits.STORED_MILLISECONDS / 2);
    expect(store.peers(hashOf(1), 4, 10)).toEqual([]);
    store.expire();
    expect([store.torrents, store.size]).toEqual([1, 1]);
    await clock.run(limits.STORED_MILLISECONDS / 2);
    store.expire();
    expect([store.torrents, store.size]).toEqual([0, 0]);
  });

  it('of a torrent are bounded: the one announced longest ago goes', () => {
    const { store } = make();
    const most = limits.STORED_PEERS_PER_TORRENT;
    for (let number = 0; number <= most; number++) store.add(hashOf(1), { host: addressOf(number), port: 1 });
    const hosts = store.peers(hashOf(1), 4, 2 * most).map(({ host }) => host);
    expect([hosts.length, hosts.includes(addressOf(0)), hosts.includes(addressOf(most))]).toEqual([most, false, true]);
    expect(store.compactPeers(hashOf(1), 4)).toHaveLength(limits.PEERS_SENT);
    expect(new Set(store.compactPeers(hashOf(1), 4).map((peer) => peer.toString('hex'))).size).toBe(limits.PEERS_SENT);
  });

  it('of too many torrents push out the torrent announced longest ago', () => {
    const { store } = make();
    for (let number = 0; number < limits.STORED_TORRENTS; number++)
      store.add(hashOf(number), { host: addressOf(number), port: 1 });
    store.add(hashOf(0), { host: addressOf(1), port: 1 });
    store.add(hashOf(-1 >>> 0), { host: addressOf(2), port: 1 });
    expect([store.torrents, store.peers(hashOf(1), 4, 1).length, store.peers(hashOf(0), 4, 9).length]).toEqual([
      ...[limits.STORED_TORRENTS, 0, 2],
    ]);
  });

  it('of all torrents are bounded', () => {
    const { store } = make();
    const torrents = limits.STORED_PEERS / limits.STORED_PEERS_PER_TORRENT + 2;
    for (let number = 0; number < torrents * limits.STORED_PEERS_PER_TORRENT; number++) {
      store.add(hashOf(number % torrents), { host: addressOf(number), port: 1 });
    }
    expect(store.size).toBeLessThanOrEqual(limits.STORED_PEERS);
    expect(store.size).toBeGreaterThan(limits.STORED_PEERS / 2);
  });

  it('of one address are in so many torrents and no more; one that is there may announce again', () => {
    const { store } = make();
    const from = { host: '20.9.9.9', port: 1 };
    const most = limits.STORED_TORRENTS_PER_ADDRESS;
    for (let number = 0; number < most; number++) expect(store.add(hashOf(number), from)).toBe(true);
    expect([store.add(hashOf(most), from), store.torrents]).toEqual([false, most]);
    expect(store.add(hashOf(3), { ...from, port: 2 })).toBe(true);
    expect(store.size).toBe(most);
  });
});

describe('rates', () => {
  const RATE = { perSecond: 10, burst: 5 };

  it('let a burst through and then so many a second', () => {
    const bucket = new TokenBucket(RATE, 0);
    const taken = (now: number) => Array.from({ length: 100 }, () => bucket.take(now)).filter(Boolean).length;
    expect([taken(0), taken(0), taken(100), taken(350), taken(1_000_000)]).toEqual([5, 0, 1, 2, 5]);
  });

  it('are remembered for so many addresses, and not kept for those without an owner', () => {
    const buckets = new AddressBuckets(RATE);
    for (let number = 0; number < limits.COUNTED_ADDRESSES + 100; number++) buckets.take(addressOf(number), 0);
    expect(buckets.size).toBe(limits.COUNTED_ADDRESSES);
    const free = Array.from({ length: 100 }, () => buckets.take(null, 0));
    expect([free.every(Boolean), buckets.size]).toEqual([true, limits.COUNTED_ADDRESSES]);
  });

  it('block an address for a while after enough answers that made no sense', () => {
    const list = new Blocklist();
    for (let strikes = 1; strikes < limits.NONSENSE_ANSWERS; strikes++) list.strike('a', 0);
    expect(list.has('a', 0)).toBe(false);
    list.strike('a', 0);
    expect([list.has('a', 0), list.has('a', limits.BLOCKED_MILLISECONDS - 1), list.has('b', 0)]).toEqual([
      true,
      true,
      false,
    ]);
    expect([list.has('a', limits.BLOCKED_MILLISECONDS), list.size]).toEqual([false, 0]);
    for (let number = 0; number < limits.BLOCKED_ADDRESSES + 10; number++) {
      for (let strikes = 0; strikes < limits.NONSENSE_ANSWERS; strikes++) list.strike(addressOf(number), 0);
    }
    for (let strikes = 0; strikes < 100; strikes++) list.strike(null, 0);
    expect([list.size, list.has(null, 0)]).toEqual([limits.BLOCKED_ADDRESSES, false]);
  });
});

describe('our own address', () => {
  const vote = (external: ExternalAddress, count: number, host: string, port = 6881, from = 0) => {
    for (let number = 0; number < count; number++) external.vote(addressOf(from + number), { host, port });
  };

  it('is what enough, and most, of different addresses say', () => {
    const external = new ExternalAddress();
    for (let times = 0; times < 100; times++) external.vote('20.1.1.1', { host: '30.1.1.1', port: 1 });
    vote(external, limits.VOTES_NEEDED - 2, '30.1.1.1');
    expect(external.host).toBe(null);
    vote(external, limits.VOTES_NEEDED, '30.1.1.1');
    expect(external.host).toBe('30.1.1.1');
    vote(external, limits.VOTES, '30.2.2.2', 6881, 1_000);
    expect(external.host).toBe('30.2.2.2');
  });

  it('is not what this machine or a private network says', () => {
    const external = new ExternalAddress();
    for (let times = 0; times < 100; times++) external.vote(null, { host: '30.1.1.1', port: 1 });
    vote(external, 20, '192.168.1.1');
    expect([external.host, external.isPortChanged(1)]).toEqual([null, false]);
  });

  it('behind a NAT that changes the port is told as such', () => {
    const external = new ExternalAddress();
    for (let number = 0; number < limits.VOTES; number++)
      external.vote(addressOf(number), { host: '30.1.1.1', port: 1_000 + number });
    expect(external.isPortChanged(6881)).toBe(true);
    vote(external, limits.VOTES, '30.1.1.1', 6881);
    expect(external.isPortChanged(6881)).toBe(false);
  });
});
