import { BaeError } from '../../lib/errors.ts';
import type { Connection } from '../ports.ts';
import { makePeerId, ObfuscatedHashes } from '../wire/index.ts';
import { AgreementQueue } from './agreement-queue.ts';
import { Bandwidth } from './bandwidth.ts';
import { Slabs } from './batch.ts';
import { Choker } from './choker.ts';
import type { SwarmContext } from './context.ts';
import { Dialler } from './dialler.ts';
import { DEFAULT_LIMITS, TICK_MILLISECONDS, TURN_READ_WORK, TURN_SENT_WORK } from './limits.ts';
import type { TorrentLoop } from './loop.ts';
import { LoopTurn } from './loop-turn.ts';
import { OwnAddress } from './own-address.ts';
import { Reception } from './reception.ts';
import { SwarmTorrent } from './torrent.ts';
import type { TorrentHome } from './torrent-home.ts';
import type { Dormant, Engine, EngineOptions, EngineRateChanges, EngineStats, Torrent, TorrentSpec } from './types.ts';

/** Makes an engine without torrents that does not listen yet. */
export function createEngine(options: EngineOptions): Engine {
  return new SwarmEngine(options);
}

class SwarmEngine implements Engine {
  readonly #context: SwarmContext;
  readonly #torrents = new Map<string, SwarmTorrent>();
  readonly #obfuscated = new ObfuscatedHashes();
  /** Those with something to do; the others cost nothing. */
  readonly #active = new Set<SwarmTorrent>();
  readonly #listeners: { close(): Promise<void> }[] = [];
  readonly #reception: Reception;
  readonly #dialler: Dialler;
  readonly #timer: { cancel(): void };
  dormant: Dormant | null = null;
  #port: number | null = null;
  #tickedAt: number;
  #closed = false;

  constructor(options: EngineOptions) {
    const { store, hasher, network, clock, random, log, version } = options;
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    const soon = options.nextTurn ?? ((call) => void clock.after(0, call));
    this.#context = {
      ...{ store, hasher, network, clock, random, log, version, limits },
      leased: { bytes: 0 },
      slabs: new Slabs(),
      bandwidth: new Bandwidth(clock),
      turns: { reading: new LoopTurn(TURN_READ_WORK, soon), sending: new LoopTurn(TURN_SENT_WORK, soon) },
      choker: new Choker(random, options.antiLeech),
      pieceMemory: { bytes: 0 },
      connections: { count: 0 },
      listenPort: () => this.#port,
      dht: options.dht ?? null,
      ownAddress: new OwnAddress(limits.allowPrivateAddresses),
      blocks: (address) => options.filter?.blocks(address) ?? false,
    };
    this.#context.bandwidth.setLimits(options.rateLimits ?? {});
    this.#reception = new Reception(clock, {
      encryption: options.encryption ?? 'prefer',
      ...{ random, log },
      dht: this.#context.dht,
      slabs: this.#context.slabs,
      agreements: new AgreementQueue(clock),
      find: (infoHash) => this.#find(infoHash),
      findObfuscated: (hash) => this.#obfuscated.find(hash) ?? this.dormant?.findObfuscated(hash) ?? null,
    });
    this.#dialler = new Dialler(network, clock);
    this.#tickedAt = clock.monotonic();
    this.#timer = clock.every(TICK_MILLISECONDS, () => this.#tick());
  }

  get port(): number | null {
    return this.#port;
  }

  async listen(options: { addresses: readonly string[]; port: number }): Promise<{ port: number }> {
    let failure: unknown = new BaeError('bad-input', 'There is no address to listen on for peers.');
    for (const address of options.addresses) {
      try {
        const accept = (connection: Connection) => this.#accept(connection);
        const listener = await this.#context.network.listen(address, this.#port ?? options.port, accept);
        this.#listeners.push(listener);
        this.#port = listener.port;
      } catch (error) {
        // One address less is bearable (a machine without IPv6); none is not, nor is a port in use.
        if (error instanceof BaeError && isPortInUse(error)) throw error;
        this.#context.log.warn('an address cannot be listened on', { address, error });
        failure = error;
      }
    }
    if (this.#port === null) throw failure;
    return { port: this.#port };
  }

  add(spec: TorrentSpec): Torrent {
    const name = spec.infoHash.toString('hex');
    if (this.#closed) throw new BaeError('cancelled', 'The engine is closed.');
    if (this.#torrents.has(name)) throw new BaeError('refused', 'This torrent is there already.');
    const peerId = spec.peerId ?? makePeerId(this.#context.random, this.#context.version);
    const home: TorrentHome = {
      wake: () => {
        this.#active.add(torrent);
        this.#dialler.want(torrent);
      },
      greet: (connection, peer) => this.#reception.dialled(connection, torrent.loop, peer),
    };
    const torrent: SwarmTorrent = new SwarmTorrent(spec, peerId, this.#context, home);
    this.#torrents.set(name, torrent);
    this.#obfuscated.add(torrent.infoHash);
    torrent.start();
    return torrent;
  }

  get(infoHash: string): Torrent | null {
    return this.#torrents.get(infoHash.toLowerCase()) ?? null;
  }

  torrents(): readonly Torrent[] {
    return [...this.#torrents.values()];
  }

  async remove(torrent: Torrent): Promise<void> {
    const name = torrent.infoHash.toString('hex');
    const found = this.#torrents.get(name);
    if (found === undefined || found !== torrent) return;
    this.#torrents.delete(name);
    this.#obfuscated.delete(torrent.infoHash);
    this.#active.delete(found);
    this.#dialler.forget(found);
    await found.remove();
  }

  setLimits(limits: EngineRateChanges): void {
    this.#context.bandwidth.setLimits(limits);
    if ((limits.downloadBytesPerSecond ?? 0) > 0) for (const { loop } of this.#active) loop.downloader?.recall();
  }

  stats(): EngineStats {
    return {
      connections: this.#context.connections.count,
      pendingConnections: this.#reception.pending,
      halfOpenConnections: this.#dialler.halfOpen,
      leasedBytes: this.#context.leased.bytes,
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer.cancel();
    this.#dialler.close();
    this.#reception.close();
    const listeners = this.#listeners.splice(0).map((listener) => listener.close());
    await Promise.all(this.torrents().map((torrent) => this.remove(torrent)));
    this.#context.bandwidth.close();
    await Promise.all(listeners);
  }

  #accept(connection: Connection): void {
    if (this.#context.blocks(connection.remoteAddress)) connection.destroy();
    else this.#reception.accept(connection);
  }

  /** A torrent for somebody who came, perhaps woken for them; null if there is none or it takes nobody. */
  #find(infoHash: Buffer): TorrentLoop | Promise<TorrentLoop | null> | null {
    const name = infoHash.toString('hex');
    const torrent = this.#torrents.get(name);
    if (torrent !== undefined) return this.#enter(torrent);
    return this.dormant?.wake(infoHash)?.then(() => this.#enter(this.#torrents.get(name))) ?? null;
  }

  #enter(torrent: SwarmTorrent | undefined): TorrentLoop | Promise<TorrentLoop | null> | null {
    if (torrent === undefined) return null;
    if (torrent.opening !== null) return torrent.opening.then(() => this.#enter(torrent));
    if (!torrent.loop.isOpen) return null;
    this.#active.add(torrent);
    return torrent.loop;
  }

  #tick(): void {
    const now = this.#context.clock.monotonic();
    const milliseconds = now - this.#tickedAt;
    this.#tickedAt = now;
    this.#reception.tick(now);
    for (const torrent of this.#active) {
      torrent.tick(now, milliseconds);
      if (!torrent.isActive) this.#active.delete(torrent);
    }
    this.#context.choker.tick(
      [...this.#active].map(({ loop }) => loop),
      now,
    );
    this.#dialler.pump();
  }
}

function isPortInUse(error: BaeError): boolean {
  return (error.cause as NodeJS.ErrnoException | undefined)?.code === 'EADDRINUSE';
}
