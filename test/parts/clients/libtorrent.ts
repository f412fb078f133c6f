// libtorrent 2.0 through Debian's Python binding.
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { PYTHON } from '../install.ts';
import { type Part, startPart, temporaryFolder, waitFor } from '../process.ts';
import {
  addressOf,
  completion,
  type LeechOptions,
  type PeerClient,
  type RunningPeer,
  type SeedOptions,
  splitPeer,
} from './client.ts';

const SCRIPT = fileURLToPath(new URL('session.py', import.meta.url));
/** How long a session may take to tell its trackers that it stops. */
const GOODBYE_MILLISECONDS = 3_000;
const READY_MILLISECONDS = 10_000;

type Settings = Record<string, string | number | boolean>;

/** Encrypted connections alone, and RC4 in them: enc_policy forced, enc_level rc4. */
const ENCRYPTED: Settings = { in_enc_policy: 0, out_enc_policy: 0, allowed_enc_level: 2 };

/** A DHT in which all nodes may be on one address and announce often. */
export const dhtSettings: Settings = {
  enable_dht: true,
  dht_bootstrap_nodes: '',
  dht_restrict_routing_ips: false,
  dht_restrict_search_ips: false,
  dht_ignore_dark_internet: false,
  dht_enforce_node_id: false,
  dht_prefer_verified_node_ids: false,
  dht_announce_interval: 5,
  dht_upload_rate_limit: 1_000_000,
};

/** Numbers of one torrent in a session; bytes are payload. */
export interface LibtorrentStatus {
  progress: number;
  seeding: boolean;
  state: string;
  uploaded: number;
  downloaded: number;
  /** Bytes of pieces whose hash was wrong. */
  failed: number;
  peers: number;
  error: string | null;
}

/** A libtorrent session that holds any number of torrents. */
export interface LibtorrentSession {
  readonly pid: number;
  readonly port: number;
  readonly part: Part;
  /** Adds a torrent; returns its info-hash. With `seed` the content is taken as complete, unchecked. */
  add(torrent: {
    torrent?: string;
    magnet?: string;
    folder: string;
    seed?: boolean;
    sequential?: boolean;
    /** Looks for its peers in the DHT too; the session must have it on (`dhtSettings`). */
    dht?: boolean;
    /** Uses peer exchange, and local service discovery; the session must have the latter on (`enable_lsd`). */
    pex?: boolean;
    lsd?: boolean;
    peers?: readonly (readonly [string, number])[];
  }): Promise<string>;
  connect(infoHash: string, peer: string): Promise<void>;
  status(infoHash: string): Promise<LibtorrentStatus>;
  /** Whom it is connected with. */
  peers(infoHash: string): Promise<{ host: string; port: number; client: string }[]>;
  /** Bytes a second; 0 is unlimited. */
  limit(infoHash: string, uploadBytesPerSecond: number, downloadBytesPerSecond: number): Promise<void>;
  remove(infoHash: string): Promise<void>;
  /** Names DHT nodes to it; returns how many it has in its table. */
  dht(...nodes: (readonly [string, number])[]): Promise<number>;
  stop(how?: 'kill'): Promise<void>;
}

/** Starts a session on a free port of `address`. `settings` are libtorrent's own (settings_pack names). */
export async function startLibtorrent(
  options: { address?: string; settings?: Settings; namespace?: string } = {},
): Promise<LibtorrentSession> {
  const { path: folder, remove } = await temporaryFolder('libtorrent');
  const where = { logFile: `${folder}/log`, pipe: true };
  const part = startPart(
    PYTHON,
    [SCRIPT],
    options.namespace === undefined ? where : { ...where, namespace: options.namespace },
  );
  const { stdin, stdout } = part.child;
  if (stdin === null || stdout === null) throw new Error('libtorrent was started without pipes');
  const answers = createInterface({ input: stdout })[Symbol.asyncIterator]();
  // A program that ended answers EPIPE to the next line; `ask` then sees the end of its output.
  stdin.on('error', () => undefined);
  let last: Promise<unknown> = Promise.resolve();

  const exchange = async (line: object): Promise<Record<string, unknown>> => {
    stdin.write(`${JSON.stringify(line)}\n`);
    const answer = await answers.next();
    if (answer.done) throw new Error(`libtorrent ended:\n${part.logTail()}`);
    const parsed = JSON.parse(answer.value);
    if (parsed.error && Object.keys(parsed).length === 1) throw new Error(`libtorrent: ${parsed.error}`);
    return parsed;
  };
  /** One at a time: answers come in the order of the commands. */
  const ask = (line: object) => {
    const answer = last.then(() => exchange(line));
    last = answer.catch(() => undefined);
    return answer;
  };

  const first = { address: options.address ?? '127.0.0.1', settings: options.settings ?? {} };
  const { port } = await ask(first).catch(async (error) => {
    await part.stop('SIGKILL');
    await remove();
    throw error;
  });
  return {
    pid: part.pid,
    port: Number(port),
    part,
    add: async (torrent) => String((await ask({ command: 'add', ...torrent })).infoHash),
    async connect(infoHash, peer) {
      await ask({ command: 'connect', infoHash, ...splitPeer(peer) });
    },
    status: async (infoHash) => (await ask({ command: 'status', infoHash })) as unknown as LibtorrentStatus,
    async peers(infoHash) {
      const { peers } = (await ask({ command: 'peers', infoHash })) as {
        peers: { address: [string, number]; client: string }[];
      };
      return peers.map(({ address: [host, at], client }) => ({ host, port: at, client }));
    },
    async limit(infoHash, uploadBytesPerSecond, downloadBytesPerSecond) {
      await ask({ command: 'limit', infoHash, uploadBytesPerSecond, downloadBytesPerSecond });
    },
    async remove(infoHash) {
      await ask({ command: 'remove', infoHash });
    },
    dht: async (...nodes) => Number((await ask({ command: 'dht', nodes })).nodes),
    async stop(how) {
      // At the end of its input the session says goodbye to its trackers.
      if (how === 'kill') await part.stop('SIGKILL');
      else {
        stdin.end();
        await Promise.race([part.exited, delay(GOODBYE_MILLISECONDS, undefined, { ref: false })]);
        await part.stop();
      }
      await remove();
    },
  };
}

/** A running peer that also tells libtorrent's own numbers. */
export interface LibtorrentPeer extends RunningPeer {
  readonly session: LibtorrentSession;
  readonly infoHash: string;
  status(): Promise<LibtorrentStatus>;
}

async function start(options: (SeedOptions | LeechOptions) & { settings?: Settings }): Promise<LibtorrentPeer> {
  const address = addressOf(options);
  const settings = { ...(options.encryption === 'require' ? ENCRYPTED : {}), ...options.settings };
  const session = await startLibtorrent({ address, settings });
  try {
    const peers = 'peers' in options ? (options.peers ?? []).map(splitPeer) : [];
    const infoHash = await session.add({
      ...(options.torrentPath === undefined ? {} : { torrent: options.torrentPath }),
      ...('magnet' in options && options.magnet !== undefined ? { magnet: options.magnet } : {}),
      folder: 'dataDir' in options ? options.dataDir : options.downloadDir,
      seed: 'dataDir' in options,
      peers: peers.map(({ host, port }) => [host, port] as const),
    });
    if (options.uploadBytesPerSecond !== undefined || options.downloadBytesPerSecond !== undefined) {
      await session.limit(infoHash, options.uploadBytesPerSecond ?? 0, options.downloadBytesPerSecond ?? 0);
    }
    const status = () => session.status(infoHash);
    if ('dataDir' in options) {
      // Until then it hangs up on peers that dial it.
      await waitFor(
        'libtorrent to be ready to seed',
        READY_MILLISECONDS,
        async () => (await status()).state === 'seeding',
      );
    }
    const progress = async () => {
      const now = await status();
      // All bytes may be there a moment before the last hash is checked.
      return now.seeding ? 1 : Math.min(now.progress, 0.999);
    };
    return {
      name: 'libtorrent',
      pid: session.pid,
      address,
      port: session.port,
      session,
      infoHash,
      status,
      progress,
      untilComplete: completion('libtorrent', session.part, progress),
      connect: (peer) => session.connect(infoHash, peer),
      stop: (how) => session.stop(how),
      logTail: () => session.part.logTail(),
    };
  } catch (error) {
    await session.stop('kill');
    throw error;
  }
}

export const libtorrent = {
  name: 'libtorrent',
  dials: true,
  dialsLoopback: true,
  seed: (options: SeedOptions & { settings?: Settings }): Promise<LibtorrentPeer> => start(options),
  leech: (options: LeechOptions & { settings?: Settings }): Promise<LibtorrentPeer> => start(options),
} satisfies PeerClient;
