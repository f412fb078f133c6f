// How peers find each other besides by their tracker: the DHT, with nodes that lie, the local network, or each other.
import { silentLog } from '../../src/lib/log.ts';
import { type Random, seededRandom } from '../../src/lib/random.ts';
import { Dht, LocalDiscovery, type SavedDht } from '../../src/torrent/index.ts';
import { DHT_LIES, DhtLiar, type DhtLie } from './dht-liars.ts';
import type { VirtualClock } from './virtual-clock.ts';
import { VirtualDatagrams } from './virtual-datagrams.ts';
import { VirtualMulticast } from './virtual-multicast.ts';

/**
 * - tracker: all by the tracker, as most torrents have it
 * - peers: the tracker names one of them, and who they are connected with they tell each other (PEX)
 * - dht: there is no tracker
 * - both: tracker and DHT; of a private torrent the DHT must hear nothing
 * - local: there is no tracker, and all are in one local network
 */
export const WAYS = ['tracker', 'peers', 'dht', 'both', 'local'] as const;
export type Way = (typeof WAYS)[number];

export interface FindingPlan {
  readonly way: Way;
  /** Of a thousand packets so many are lost; the others take one to three times the latency. */
  readonly lossPerThousand: number;
  readonly latencyMilliseconds: number;
  /** Nodes of the DHT that have no part in the torrent; the first is known to all. */
  readonly bystanders: number;
  readonly lies: readonly DhtLie[];
}

const MOST_LOSS = 200;
const PORT = 6881;
const SETTLE_MILLISECONDS = 20_000;

/** From a source of its own: what else is in a scenario does not hang on it. */
export function drawFinding(seed: number, { isPrivate, isDay }: { isPrivate: boolean; isDay: boolean }): FindingPlan {
  const random = seededRandom(seed * 7_919 + 13);
  const ways: readonly Way[] = isPrivate ? ['tracker', 'both'] : ['tracker', 'tracker', 'tracker', ...WAYS];
  const way = isDay ? 'tracker' : (ways[random.int(ways.length)] as Way);
  return {
    way,
    lossPerThousand: random.int(2) * random.int(MOST_LOSS),
    latencyMilliseconds: 10 + random.int(150),
    bystanders: 2 + random.int(5),
    lies: Array.from({ length: random.int(4) }, () => DHT_LIES[random.int(DHT_LIES.length)] as DhtLie),
  };
}

/** What one node finds others with. */
export interface Finders {
  readonly dht: Dht | null;
  readonly local: LocalDiscovery | null;
  close(): void;
}

/** All that there is beside trackers. */
export class Finding {
  readonly plan: FindingPlan;
  readonly datagrams: VirtualDatagrams;
  readonly multicast: VirtualMulticast;
  readonly liars: DhtLiar[] = [];
  readonly #clock: VirtualClock;
  readonly #random: Random;
  readonly #bystanders: Dht[] = [];

  constructor(plan: FindingPlan, clock: VirtualClock, seed: number) {
    const { latencyMilliseconds, lossPerThousand } = plan;
    this.plan = plan;
    this.#clock = clock;
    this.#random = seededRandom(seed + 2);
    this.datagrams = new VirtualDatagrams(clock, this.#random, { latencyMilliseconds, loss: lossPerThousand / 1_000 });
    this.multicast = new VirtualMulticast(clock);
  }

  /** Starts the nodes that have no part in the torrent, honest ones and others. */
  async start(): Promise<void> {
    if (!this.#hasDht) return;
    for (let at = 0; at < this.plan.bystanders; at++) {
      this.#bystanders.push(await this.#node(bystander(at), () => 0, null));
    }
    for (const [at, lie] of this.plan.lies.entries()) {
      const liar = new DhtLiar(this.datagrams.host(`50.${at}.1.1`), this.#clock, this.#random, lie);
      await liar.start(
        Array.from({ length: this.plan.bystanders }, (_, one) => ({ host: bystander(one), port: PORT })),
      );
      this.liars.push(liar);
    }
    await this.#clock.run(SETTLE_MILLISECONDS);
  }

  /** Those of a node with this address; `port` tells where it takes peers. */
  async of(address: string, port: () => number, saved: SavedDht | null): Promise<Finders> {
    const dht = this.#hasDht ? await this.#node(address, port, saved) : null;
    const local = this.plan.way === 'local' ? await this.#local(address) : null;
    const close = () => {
      dht?.close();
      local?.close();
    };
    return { dht, local, close };
  }

  end(): void {
    for (const dht of this.#bystanders) dht.close();
    for (const liar of this.liars) liar.stop();
  }

  get #hasDht(): boolean {
    return this.plan.way === 'dht' || this.plan.way === 'both';
  }

  async #node(address: string, announcedPort: () => number, saved: SavedDht | null): Promise<Dht> {
    const dht = new Dht({
      ...{ network: this.datagrams.host(address), clock: this.#clock, log: silentLog, saved },
      random: seededRandom(this.#random.int(2 ** 31)),
      resolver: { resolve: (host) => Promise.resolve([{ address: host, family: 4 }]) },
      bootstrap: address === bystander(0) ? [] : [{ host: bystander(0), port: PORT }],
      ...{ allowPrivateAddresses: false, limitLoopback: false },
    });
    await dht.start({ addresses: [address], port: PORT, announcedPort });
    return dht;
  }

  async #local(address: string): Promise<LocalDiscovery> {
    const random = seededRandom(this.#random.int(2 ** 31));
    const network = this.multicast.host(address);
    const local = new LocalDiscovery({ network, random, clock: this.#clock, log: silentLog });
    await local.start({ addresses: ['0.0.0.0'], port: PORT });
    return local;
  }
}

const bystander = (at: number) => `40.${at}.1.1`;
