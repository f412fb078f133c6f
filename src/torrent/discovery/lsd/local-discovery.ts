import type { Clock, Timer } from '../../../lib/clock.ts';
import { errorMessage } from '../../../lib/errors.ts';
import type { Log } from '../../../lib/log.ts';
import type { Random } from '../../../lib/random.ts';
import { formatHostPort } from '../../metainfo/index.ts';
import type { DatagramSocket, MulticastNetwork } from '../../ports.ts';
import type { PeerAddress } from '../ports.ts';
import * as limits from './limits.ts';
import { decodeLocalAnnounce, encodeLocalAnnounce } from './message.ts';

/** BEP 14. */
export const LSD_PORT = 6771;
export const LSD_GROUPS = { ipv4: '239.192.152.143', ipv6: 'ff15::efc0:988f' } as const;

const COOKIE_BYTES = 4;
const WILDCARDS = ['0.0.0.0', '::'];

export interface LocalDiscoveryOptions {
  readonly network: MulticastNetwork;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** A torrent that is looked for; a private one is never given here. */
export interface LocalTorrent {
  /** 20 bytes. */
  readonly infoHash: Buffer;
  found(peers: readonly PeerAddress[]): void;
}

interface Group {
  readonly host: string;
  /** Ours on the network it is joined on; null: as the system chooses. */
  readonly localAddress: string | null;
  socket: DatagramSocket | null;
}

/**
 * Finds peers on the local network (BEP 14). New torrents are announced first, then each again after five minutes; with
 * very many torrents their turn comes later, since no more than one packet a minute goes out.
 */
export class LocalDiscovery {
  /** A public torrent that is not announced here and would take peers all the same; null: there is none. */
  dormant: ((infoHash: Buffer) => Pick<LocalTorrent, 'found'> | null) | null = null;
  readonly #options: LocalDiscoveryOptions;
  readonly #cookie: string;
  readonly #torrents = new Map<string, LocalTorrent>();
  readonly #fresh = new Set<LocalTorrent>();
  /** When each was announced last, the oldest first. */
  readonly #announced = new Map<LocalTorrent, number>();
  #groups: readonly Group[] = [];
  #timer: Timer | null = null;
  #port = 0;
  #sendAt = 0;
  /** Packets of this second. */
  #packets = 0;

  constructor(options: LocalDiscoveryOptions) {
    this.#options = options;
    this.#cookie = options.random.bytes(COOKIE_BYTES).toString('hex');
  }

  /** `addresses` are those we listen on for peers, `port` is where. A group that cannot be joined is tried again. */
  async start({ addresses, port }: { addresses: readonly string[]; port: number }): Promise<void> {
    this.#port = port;
    this.#groups = addresses.map((address) => ({
      host: address.includes(':') ? LSD_GROUPS.ipv6 : LSD_GROUPS.ipv4,
      localAddress: WILDCARDS.includes(address) ? null : address,
      socket: null,
    }));
    this.#timer = this.#options.clock.every(limits.LSD_TICK_MILLISECONDS, () => this.#tick());
    await this.#join();
  }

  add(torrent: LocalTorrent): { stop(): void } {
    const name = torrent.infoHash.toString('hex');
    this.#torrents.set(name, torrent);
    this.#fresh.add(torrent);
    return {
      stop: () => {
        if (this.#torrents.get(name) === torrent) this.#torrents.delete(name);
        this.#fresh.delete(torrent);
        this.#announced.delete(torrent);
      },
    };
  }

  close(): void {
    this.#timer?.cancel();
    for (const group of this.#groups) group.socket?.close();
    this.#groups = [];
  }

  async #join(): Promise<void> {
    const { network, log } = this.#options;
    for (const group of this.#groups.filter(({ socket }) => socket === null)) {
      try {
        const socket = await network.join(group.host, LSD_PORT, group.localAddress, {
          received: (packet, host) => this.#received(packet, host),
          failed: () => {
            group.socket?.close();
            group.socket = null;
          },
        });
        // It may have been closed meanwhile.
        if (this.#groups.includes(group)) group.socket = socket;
        else socket.close();
      } catch (error) {
        log.info('peers of the local network cannot be asked for', { group: group.host, reason: errorMessage(error) });
      }
    }
  }

  #tick(): void {
    this.#packets = 0;
    const now = this.#options.clock.monotonic();
    if (now < this.#sendAt) return;
    const due = this.#due(now);
    if (due.length === 0) return;
    this.#sendAt = now + limits.LSD_PACKET_MILLISECONDS;
    const announce = { port: this.#port, infoHashes: due.map(({ infoHash }) => infoHash), cookie: this.#cookie };
    for (const { host, socket } of this.#groups) {
      const packet = encodeLocalAnnounce(formatHostPort({ host, port: LSD_PORT }), announce);
      socket?.send(packet, host, LSD_PORT);
    }
    void this.#join();
  }

  /** Those to be named in the next packet, counted as announced now. */
  #due(now: number): LocalTorrent[] {
    const due: LocalTorrent[] = [];
    for (const torrent of this.#fresh) {
      if (due.length === limits.LSD_HASHES) break;
      this.#fresh.delete(torrent);
      due.push(torrent);
    }
    for (const [torrent, at] of this.#announced) {
      if (due.length === limits.LSD_HASHES || now - at < limits.LSD_ANNOUNCE_MILLISECONDS) break;
      this.#announced.delete(torrent);
      due.push(torrent);
    }
    for (const torrent of due) this.#announced.set(torrent, now);
    return due;
  }

  #received(packet: Buffer, host: string): void {
    if (++this.#packets > limits.LSD_PACKETS_PER_SECOND) return;
    const announce = decodeLocalAnnounce(packet);
    if (announce === null || announce.cookie === this.#cookie) return;
    for (const infoHash of announce.infoHashes) {
      const torrent = this.#torrents.get(infoHash.toString('hex')) ?? this.dormant?.(infoHash) ?? null;
      torrent?.found([{ host, port: announce.port }]);
    }
  }
}
