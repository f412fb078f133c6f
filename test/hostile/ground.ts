// Where strangers from everywhere meet one server: a namespace in which all addresses of the internet are this machine's.
import { createServer } from 'node:net';
import type { Info } from '../../src/torrent/metainfo/index.ts';
import { bytesOf, infoOf } from '../simulation/swarm.ts';

export const PIECE_LENGTH = 256 * 1024;
export const PIECE_COUNT = 16;
/** Where strangers say that they listen for peers. */
export const OPEN_PORT = 7_000;
/** Where strangers' DHT nodes are. */
export const NODE_PORT = 7_700;
/** All addresses that begin so are there: public ones, and one range of each kind that nobody may be sent to. */
export const PUBLIC = '20';
export const FORBIDDEN = ['10.50.1', '172.16.5', '192.168.5', '100.64.5', '169.254.5', '198.18.5'] as const;
/** For `ip route add local`. */
export const LOCAL_ROUTES = [`${PUBLIC}.0.0.0/8`, ...FORBIDDEN.map((range) => `${range}.0/24`)];

/** The torrents that the server seeds: one is downloaded by an honest peer, one is attacked in each way, one is private. */
export const TORRENTS = ['honest', 'pex', 'lsd', 'private'] as const;
export type TorrentName = (typeof TORRENTS)[number];

export const contentOf = (name: TorrentName) => bytesOf(1 + TORRENTS.indexOf(name), PIECE_COUNT * PIECE_LENGTH);
export const infoOfTorrent = (name: TorrentName): Info =>
  infoOf(contentOf(name), PIECE_LENGTH, name === 'private' ? { private: 1 } : {});

/** What an attack has before it. */
export interface Ground {
  /** The server, as peers and nodes reach it. */
  readonly host: string;
  readonly port: number;
  /** Our own address on the link to it, for multicast. */
  readonly near: string;
  /** What the server calls itself on its local network. */
  readonly cookie: string;
  readonly hashes: Readonly<Record<TorrentName, Buffer>>;
  readonly dials: Dials;
}

/** An attack from the internet, not from this machine: limits that loopback is exempt from hold. */
export interface GroundAttack {
  readonly name: string;
  /** How many connections or addresses take part. */
  readonly strangers: number;
  run(ground: Ground): Promise<readonly (readonly [string, boolean])[]>;
}

/** Who was dialled by the server on OPEN_PORT. */
export class Dials {
  /** Addresses, one for each time. */
  readonly all: string[] = [];
  readonly since = performance.now();

  static async listen(): Promise<Dials> {
    const dials = new Dials();
    const server = createServer((socket) => {
      dials.all.push(socket.localAddress ?? '');
      socket.on('error', () => undefined);
      socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(OPEN_PORT, '0.0.0.0', 4_096, resolve));
    return dials;
  }

  /** Of addresses that begin so. */
  to(prefix: string): string[] {
    return this.all.filter((address) => address.startsWith(`${prefix}.`));
  }
}
