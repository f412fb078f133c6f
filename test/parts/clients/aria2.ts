// aria2, watched over its JSON-RPC. It takes peers from trackers only.
import { freePorts, startPart, temporaryFolder, waitFor } from '../process.ts';
import type { LeechOptions, PeerClient, RunningPeer, SeedOptions } from './client.ts';
import { addressOf, orCleanUp, runningPeer, sourceOf, startWithRetries } from './client.ts';

const START_TIMEOUT_MILLISECONDS = 15_000;

interface Download {
  gid: string;
  status: string;
  totalLength: string;
  completedLength: string;
  bittorrent?: { info?: { name: string } };
  followedBy?: string[];
}

async function call(rpcPort: number, method: string, ...parameters: unknown[]): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${rpcPort}/jsonrpc`, {
    method: 'POST',
    body: JSON.stringify({ jsonrpc: '2.0', id: '1', method: `aria2.${method}`, params: parameters }),
  });
  const answer = (await response.json()) as { result?: unknown; error?: { message: string } };
  if (answer.error) throw new Error(`aria2: ${answer.error.message}`);
  return answer.result;
}

async function progressOf(rpcPort: number): Promise<number> {
  const lists = await Promise.all([call(rpcPort, 'tellActive'), call(rpcPort, 'tellStopped', 0, 10)]);
  const downloads = lists.flat() as Download[];
  const failed = downloads.find(({ status }) => status === 'error');
  if (failed) throw new Error(`aria2 gave up: ${JSON.stringify(failed)}`);
  // A magnet's metadata is a download of its own, followed by the real one.
  const content = downloads.find(({ bittorrent, followedBy }) => bittorrent?.info && !followedBy);
  const total = Number(content?.totalLength ?? 0);
  return total === 0 ? 0 : Number(content?.completedLength) / total;
}

async function start(options: SeedOptions | LeechOptions): Promise<RunningPeer> {
  const address = addressOf(options);
  const { folder, source } = sourceOf(options);
  const { path: profile, remove } = await temporaryFolder('aria2');
  const [port = 0, rpcPort = 0] = await freePorts(2, address);
  const seeds = 'dataDir' in options;
  const flags = {
    'no-conf': true,
    quiet: true,
    'log-level': 'notice',
    log: `${profile}/detail.log`,
    dir: folder,
    interface: address,
    'disable-ipv6': true,
    'listen-port': port,
    'enable-rpc': true,
    'rpc-listen-port': rpcPort,
    'rpc-listen-all': false,
    'enable-dht': false,
    'enable-dht6': false,
    'bt-enable-lpd': false,
    'enable-peer-exchange': false,
    'follow-torrent': 'mem',
    'file-allocation': 'none',
    'allow-overwrite': true,
    'check-integrity': seeds,
    'seed-ratio': '0.0',
    ...(seeds ? {} : { 'seed-time': 0 }),
    'bt-require-crypto': options.encryption === 'require',
    'bt-min-crypto-level': options.encryption === 'require' ? 'arc4' : 'plain',
    'max-upload-limit': options.uploadBytesPerSecond ?? 0,
    'max-download-limit': options.downloadBytesPerSecond ?? 0,
  };
  const args = [...Object.entries(flags).map(([name, value]) => `--${name}=${value}`), source];
  const part = startPart('aria2c', args, { logFile: `${profile}/log` });
  return orCleanUp(part, remove, async () => {
    await waitFor('aria2 to answer', START_TIMEOUT_MILLISECONDS, () => {
      if (!part.running()) throw new Error('aria2 ended at its start');
      return call(rpcPort, 'getVersion').then(
        () => true,
        () => false,
      );
    });
    return runningPeer('aria2', { part, address, port, progress: () => progressOf(rpcPort), removeProfile: remove });
  });
}

export const aria2: PeerClient = {
  name: 'aria2',
  dials: false,
  dialsLoopback: true,
  seed: (options) => startWithRetries(() => start(options)),
  leech: (options) => startWithRetries(() => start(options)),
};
