import { describe, expect, it } from 'vitest';
import { peerPriority } from '../wire/index.ts';
import { OWN_ADDRESS_VOTES } from './limits.ts';
import { OwnAddress } from './own-address.ts';
import { PeerBook, type PeerRules } from './peer-book.ts';

const RULES: PeerRules = {
  allowPrivateAddresses: false,
  limitLoopback: false,
  blocks: () => false,
  priorityOf: () => 0,
};

/** Hosts in the order in which they are dialled. */
function order(book: PeerBook): string[] {
  const hosts: string[] = [];
  for (let peer = book.next(0, () => true); peer !== null; peer = book.next(0, () => true)) {
    peer.busy = true;
    hosts.push(peer.host);
  }
  return hosts;
}

describe('the peers that are known', () => {
  it('are dialled by their priority (BEP 40), a person’s own first, and those that failed last', () => {
    const own = { host: '20.1.2.3', port: 6881 };
    const priorityOf = (host: string, port: number) => peerPriority(own, { host, port });
    const book = new PeerBook(false, { ...RULES, priorityOf });
    const hosts = Array.from({ length: 40 }, (_, at) => `30.${at}.${at * 3}.7`);
    for (const host of hosts) book.add(host, 6881, 'pex', 0);
    book.add('40.0.0.1', 6881, 'hand', 0);
    const failed = book.next(0, ({ host }) => host === hosts[5]);
    if (failed === null) throw new Error('nobody to dial');
    failed.failures = 1;
    const byPriority = [...hosts].sort((one, other) => priorityOf(other, 6881) - priorityOf(one, 6881));
    const rest = byPriority.filter((host) => host !== hosts[5]);
    expect(order(book)).toEqual(['40.0.0.1', ...rest, hosts[5]]);
  });

  it('are ranked anew when our own address becomes known', () => {
    let own: string | null = null;
    const priorityOf = (host: string) => (own === null ? 0 : Number(host.split('.')[3]));
    const book = new PeerBook(false, { ...RULES, priorityOf });
    for (const host of ['30.0.0.1', '30.0.0.3', '30.0.0.2']) book.add(host, 1, 'pex', 0);
    own = '20.1.2.3';
    book.rank();
    expect(order(book)).toEqual(['30.0.0.3', '30.0.0.2', '30.0.0.1']);
  });

  it('are never those that the IP filter blocks, whoever names them', () => {
    const book = new PeerBook(false, { ...RULES, blocks: (host) => host === '30.0.0.1' || host === '2a00::1' });
    for (const source of ['hand', 'tracker', 'pex', 'dht', 'lsd'] as const) {
      expect(book.add('30.0.0.1', 1, source, 0)).toBe(false);
      expect(book.add('::ffff:30.0.0.1', 1, source, 0)).toBe(false);
      expect(book.add('2a00:0::1', 1, source, 0)).toBe(false);
    }
    expect(book.size).toBe(0);
  });
});

describe('our own address', () => {
  it('is what two peers agree on, not what one says, and never a private one', () => {
    const own = new OwnAddress(false);
    for (let times = 0; times < 5; times++) own.heard('30.0.0.1', '20.1.2.3');
    expect(own.of('30.0.0.9')).toBeNull();
    own.heard('30.0.0.2', '10.0.0.1');
    own.heard('30.0.0.3', '10.0.0.1');
    expect(own.of('30.0.0.9')).toBeNull();
    own.heard('30.0.0.4', '20.1.2.3');
    own.heard('30.0.0.5', '2a00::1');
    own.heard('2a00::9', '2a00::1');
    expect([own.of('30.0.0.9'), own.of('2a00::5'), own.version]).toEqual(['20.1.2.3', '2a00::1', 2]);
  });

  it(`changes with the last ${OWN_ADDRESS_VOTES} peers' words`, () => {
    const own = new OwnAddress(false);
    for (let voter = 0; voter < OWN_ADDRESS_VOTES; voter++) own.heard(`30.0.0.${voter}`, '20.1.2.3');
    for (let voter = 0; voter < OWN_ADDRESS_VOTES; voter++) own.heard(`30.0.1.${voter}`, '20.9.9.9');
    expect([own.of('30.0.0.9'), own.version]).toEqual(['20.9.9.9', 2]);
  });
});
