// Many DHT nodes on a virtual network, repeatable from a seed.
import { silentLog } from '../../src/lib/log.ts';
import { type Random, seededRandom } from '../../src/lib/random.ts';
import { Dht, type DhtOptions, TrackerError } from '../../src/torrent/discovery/index.ts';
import type { HostPort } from '../../src/torrent/metainfo/index.ts';
import { VirtualClock } from './virtual-clock.ts';
import { type DatagramOptions, VirtualDatagrams } from './virtual-datagrams.ts';

export const DHT_PORT = 6881;

export interface DhtHost {
  readonly address: string;
  readonly dht: Dht;
}

export class DhtSimulation {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly network: VirtualDatagrams;
  readonly hosts: DhtHost[] = [];
  #count = 0;

  constructor(seed: number, options: DatagramOptions = {}) {
    this.random = seededRandom(seed);
    this.network = new VirtualDatagrams(this.clock, this.random, options);
  }

  /** A public address nobody has yet, each in a network of its own. */
  freshAddress(family: 4 | 6 = 4): string {
    const number = ++this.#count;
    const [high, low] = [number >> 8, number & 255];
    return family === 4 ? `20.${high}.${low}.1` : `2600:${number.toString(16)}::1`;
  }

  /** Starts a node; by default it knows the first one. */
  async start(options: Partial<DhtOptions> & { address?: string } = {}): Promise<DhtHost> {
    const { address = this.freshAddress(), ...rest } = options;
    const first = this.hosts[0];
    const dht = new Dht({
      network: this.network.host(address),
      clock: this.clock,
      random: seededRandom(this.random.int(2 ** 32)),
      log: silentLog,
      resolver: {
        resolve: (host) =>
          /[a-z]{3}/.test(host)
            ? Promise.reject(new TrackerError('unreachable', 'no such name'))
            : Promise.resolve([{ address: host, family: host.includes(':') ? (6 as const) : (4 as const) }]),
      },
      bootstrap: first === undefined ? [] : [{ host: first.address, port: DHT_PORT }],
      saved: null,
      allowPrivateAddresses: false,
      limitLoopback: false,
      ...rest,
    });
    await dht.start({ addresses: [address], port: DHT_PORT });
    const host = { address, dht };
    this.hosts.push(host);
    return host;
  }

  /** Looks a torrent up from a host; what is found grows in the list. */
  search(host: DhtHost, infoHash: Buffer, isHungry = true): { readonly found: HostPort[]; stop(): void } {
    const found: HostPort[] = [];
    const torrent = {
      infoHash,
      found: (peers: readonly HostPort[]) => void found.push(...peers),
      isHungry: () => isHungry && found.length === 0,
    };
    const { stop } = host.dht.add(torrent);
    return { found, stop };
  }

  end(): void {
    for (const { dht } of this.hosts) dht.close();
  }
}
