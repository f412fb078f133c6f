import type { Clock, Timer } from '../../../lib/clock.ts';
import { errorMessage } from '../../../lib/errors.ts';
import type { Log } from '../../../lib/log.ts';
import type { Random } from '../../../lib/random.ts';
import type { HostPort } from '../../metainfo/index.ts';
import type { DatagramNetwork } from '../../ports.ts';
import { addressBytes, addressText } from '../../wire/index.ts';
import type { Resolver } from '../ports.ts';
import { Addresses, type AddressRules } from './addresses.ts';
import { type Family, familyOf } from './compact.ts';
import * as limits from './limits.ts';
import type { LookupResult } from './lookup.ts';
import { type Known, LostSockets } from './lost-sockets.ts';
import { DhtNode, type Surroundings } from './node.ts';
import { PeerStore } from './peer-store.ts';
import { type DhtHandle, type DhtTorrent, type LookupSource, Rotation } from './rotation.ts';
import { readSaved, type SavedDht, saveNode } from './saved.ts';
import { Tokens } from './tokens.ts';
import { Upkeep } from './upkeep.ts';

export interface DhtOptions extends AddressRules {
  readonly network: DatagramNetwork;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Names of nodes to addresses. */
  readonly resolver: Pick<Resolver, 'resolve'>;
  /** Nodes to begin with when no other is known; names or addresses. */
  readonly bootstrap: readonly HostPort[];
  readonly saved: SavedDht | null;
}

export interface DhtStats {
  /** down: there is no socket; joining: nobody is known who could be asked. */
  readonly state: 'down' | 'joining' | 'ready';
  /** Nodes in the routing tables. */
  readonly nodes: number;
  readonly lookups: number;
  /** Torrents whose lookup is due. */
  readonly waiting: number;
}

interface Half {
  readonly node: DhtNode;
  readonly upkeep: Upkeep;
}

const SECOND_MILLISECONDS = 1_000;

/**
 * Our part in the DHT (BEP 5, 32, 42, 43): a node a family, and the torrents that are looked up in both. Public torrents
 * only: whoever calls `add` has seen to that (BEP 27).
 */
export class Dht {
  readonly #options: DhtOptions;
  readonly #halves = new Map<Family, Half>();
  readonly #surroundings: Surroundings;
  readonly #rotation: Rotation;
  readonly #timer: Timer;
  readonly #lost = new LostSockets();
  #port: number | null = null;
  #announcedPort: () => number = () => 0;
  #secondAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(options: DhtOptions) {
    const { clock, random } = options;
    const addresses = new Addresses(options);
    this.#options = options;
    this.#surroundings = {
      ...{ clock, random, addresses },
      store: new PeerStore(clock, random, addresses),
      tokens: new Tokens(clock, random),
      node: (family) => this.#halves.get(family)?.node ?? null,
    };
    this.#rotation = new Rotation({
      random,
      nowSeconds: clock.monotonic() / 1_000,
      isReady: () => this.#isReady(),
      look: (infoHash, found, done) => this.#look(infoHash, found, done),
    });
    this.#timer = clock.every(limits.TICK_MILLISECONDS, () => this.#tick());
  }

  /** Our UDP port; null while there is none. */
  get port(): number | null {
    return this.#halves.size === 0 ? null : this.#port;
  }

  /**
   * Binds the first address of each family that can be bound, and begins. One that cannot is told in the log: torrents then
   * do without. `port` is that of UDP (0: a free one); `announcedPort` is where peers reach us.
   */
  async start(where: { addresses: readonly string[]; port: number; announcedPort?: () => number }): Promise<void> {
    this.#announcedPort = where.announcedPort ?? (() => this.#port ?? 0);
    for (const address of where.addresses) {
      const family = familyOf(address);
      if (!this.#halves.has(family) && !this.#closed)
        await this.#open(family, address, where.port, readSaved(this.#options.saved, family));
    }
    this.#tick();
  }

  /**
   * Looks a public torrent up, again and again, and announces that we have it. `lookedUpAt`: when an earlier handle of it was
   * looked up last.
   */
  add(torrent: DhtTorrent, lookedUpAt: number | null = null): DhtHandle {
    return this.#rotation.add(torrent, lookedUpAt);
  }

  /** Does the same, in turn and slowly, with the public torrents of which a source has very many. */
  follow(source: LookupSource): void {
    this.#rotation.follow(source);
  }

  /** A peer of a public torrent says that it runs a node (BEP 5's PORT message). */
  heard(host: string, port: number): void {
    if (port > 0) this.#halves.get(familyOf(host))?.upkeep.name({ host, port });
  }

  /** Nodes that a torrent file names (BEP 5), the first few; names are looked up, one after the other. */
  async addNodes(nodes: readonly HostPort[]): Promise<void> {
    for (const node of nodes.slice(0, limits.NODES_PER_TORRENT)) {
      for (const { host, port } of await this.#resolve([node])) this.heard(host, port);
    }
  }

  snapshot(): SavedDht {
    const now = this.#options.clock.monotonic();
    const save = (family: Family) => {
      const node = this.#halves.get(family)?.node;
      const lost = this.#lost.get(family)?.known;
      const id = node?.table.ownId ?? lost?.id;
      if (id === undefined) return null;
      const good = node?.table.good(now) ?? lost?.nodes ?? [];
      // A run that met nobody must not make the next one forget whom earlier ones knew.
      const nodes = good.length > 0 ? good : (readSaved(this.#options.saved, family)?.nodes ?? []);
      return saveNode(id, nodes, family);
    };
    return { ipv4: save(4), ipv6: save(6) };
  }

  stats(): DhtStats {
    let nodes = 0;
    for (const { node } of this.#halves.values()) nodes += node.table.size;
    const state = this.#halves.size === 0 ? 'down' : this.#isReady() ? 'ready' : 'joining';
    return { state, nodes, lookups: this.#rotation.running, waiting: this.#rotation.waiting };
  }

  close(): void {
    this.#closed = true;
    this.#timer.cancel();
    const halves = [...this.#halves.values()];
    this.#halves.clear();
    this.#lost.clear();
    for (const { node } of halves) node.close();
  }

  /** Resolves to whether it is open. */
  async #open(family: Family, address: string, port: number, known: Known | null): Promise<boolean> {
    const { network, log, random, bootstrap } = this.#options;
    const node = new DhtNode(family, known?.id ?? null, this.#surroundings);
    try {
      const socket = await network.bind(address, this.#port ?? port, {
        received: (packet, host, from) => this.#received(node, packet, host, from),
        failed: (error) => this.#failed(family, address, node, error),
      });
      if (this.#closed) {
        socket.close();
        return false;
      }
      node.attach(socket);
      this.#port = socket.port;
    } catch (error) {
      log.warn('the DHT cannot use an address', { address, reason: errorMessage(error) });
      return false;
    }
    const ofFamily = async () => (await this.#resolve(bootstrap)).filter(({ host }) => familyOf(host) === family);
    this.#halves.set(family, {
      node,
      upkeep: new Upkeep({ node, random, saved: known?.nodes ?? [], bootstrap: ofFamily }),
    });
    return true;
  }

  /** A socket is of no use any more. Another one begins with what this one's node knew. */
  #failed(family: Family, address: string, node: DhtNode, error: Error): void {
    const { log, clock } = this.#options;
    log.warn('the DHT lost its socket', { address, reason: error.message });
    const now = clock.monotonic();
    const known = { id: node.table.ownId, nodes: node.table.good(now) };
    if (this.#halves.get(family)?.node !== node || !this.#halves.delete(family)) return;
    this.#lost.add({ family, address, known }, now);
    node.close();
  }

  #isReady(): boolean {
    return [...this.#halves.values()].some(({ upkeep }) => upkeep.isReady);
  }

  async #reopen(now: number): Promise<void> {
    for (const lost of this.#lost.due(now)) {
      const { family, address, known } = lost;
      const isOpen = await this.#open(family, address, this.#port ?? 0, known);
      if (isOpen) this.#options.log.info('the DHT has a socket again', { address });
      else if (!this.#closed) this.#lost.add(lost, this.#options.clock.monotonic());
    }
  }

  /** A fault of ours costs one packet, not the process. */
  #received(node: DhtNode, packet: Buffer, host: string, port: number): void {
    try {
      node.received(packet, host, port);
    } catch (error) {
      this.#options.log.error('a DHT packet could not be handled', { reason: errorMessage(error) });
    }
  }

  #tick(): void {
    const now = this.#options.clock.monotonic();
    const isSecond = now - this.#secondAt >= SECOND_MILLISECONDS;
    if (isSecond) this.#secondAt = now;
    for (const { node, upkeep } of this.#halves.values()) {
      node.requests.tick();
      if (isSecond) upkeep.tick(now);
    }
    if (!isSecond) return;
    void this.#reopen(now);
    this.#surroundings.store.expire();
    this.#rotation.tick(now / 1_000);
  }

  #look(infoHash: Buffer, found: (peers: readonly HostPort[]) => void, done: () => void): void {
    const halves = [...this.#halves.values()].filter(({ upkeep }) => upkeep.isReady);
    let running = halves.length;
    for (const { node } of halves) {
      // Whoever looks a torrent up again finds itself, which is no peer, nor worth waking a torrent for.
      const foundOthers = (peers: readonly HostPort[]) => {
        const others = peers.filter(({ host, port }) => port !== this.#announcedPort() || host !== node.externalHost);
        if (others.length > 0) found(others);
      };
      // Others may have announced to us, being near to the hash.
      foundOthers(this.#surroundings.store.peers(infoHash, node.family, limits.PEERS_SENT));
      const ended = (result: LookupResult) => {
        this.#announce(node, infoHash, result);
        if (--running === 0) done();
      };
      node.lookup({ method: 'get_peers', infoHash }, [], ended, foundOthers);
    }
  }

  #announce(node: DhtNode, infoHash: Buffer, { closest, queries, answers, peers }: LookupResult): void {
    const port = this.#announcedPort();
    const told = closest.filter(({ token }) => token !== null);
    const about = { family: node.family, queries, answers, peers, announces: told.length };
    this.#options.log.debug('a torrent was looked up in the DHT', { infoHash: infoHash.toString('hex'), ...about });
    if (port === 0) return;
    for (const { id, host, port: at, token } of told) {
      const query = { method: 'announce_peer' as const, infoHash, port, token: token as Buffer };
      node.requests.ask({ id, host, port: at, query, done: () => undefined });
    }
  }

  /** Those of the nodes that have an address; the others are told at debug. */
  async #resolve(nodes: readonly HostPort[]): Promise<HostPort[]> {
    const found = await Promise.all(
      nodes.map(async ({ host, port }) => {
        try {
          const addresses = await this.#options.resolver.resolve(host);
          return addresses.flatMap(({ address }) => plainAddress(address).map((plain) => ({ host: plain, port })));
        } catch (error) {
          this.#options.log.debug('a DHT node has no address', { host, reason: errorMessage(error) });
          return [];
        }
      }),
    );
    return found.flat();
  }
}

/** As packets have it that come from there; none for what is no address. */
function plainAddress(address: string): string[] {
  const bytes = addressBytes(address);
  const plain = bytes === null ? null : addressText(bytes);
  return plain === null ? [] : [plain];
}
