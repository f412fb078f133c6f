// transmission-daemon 3.00 over its RPC.
// It never dials 127.x: its peers must be at another address (`loopbackAlias`), or else dial it. It also keeps to a ten-second
// beat of its own before it says `interested`, so its downloads take 15 s at least.
import { readFile, writeFile } from 'node:fs/promises';
import { freePorts, startPart, temporaryFolder, waitFor } from '../process.ts';
import type { LeechOptions, PeerClient, RunningPeer, SeedOptions } from './client.ts';
import { addressOf, orCleanUp, runningPeer, sourceOf, startWithRetries } from './client.ts';

const START_TIMEOUT_MILLISECONDS = 15_000;
const KIB = 1024;

interface TorrentState {
  leftUntilDone: number;
  sizeWhenDone: number;
  metadataPercentComplete: number;
  errorString: string;
}

/** Speaks to one daemon over its RPC, which gives the answer's arguments; its CSRF header is taken from the 409 it answers first. */
export function transmissionRpc(
  rpcPort: number,
): (method: string, parameters: object) => Promise<Record<string, unknown>> {
  let session = '';
  return async (method, parameters) => {
    for (let attempt = 1; ; attempt++) {
      const response = await fetch(`http://127.0.0.1:${rpcPort}/transmission/rpc`, {
        method: 'POST',
        headers: { 'x-transmission-session-id': session },
        body: JSON.stringify({ method, arguments: parameters }),
      });
      if (response.status === 409 && attempt === 1) {
        session = response.headers.get('x-transmission-session-id') ?? '';
        await response.text();
        continue;
      }
      const answer = (await response.json()) as { result: string; arguments: Record<string, unknown> };
      if (answer.result !== 'success') throw new Error(`transmission: ${answer.result}`);
      return answer.arguments;
    }
  };
}

/** Its settings.json: no discovery, no queues, limits as given. */
export function transmissionSettings(
  options: Pick<SeedOptions, 'encryption' | 'uploadBytesPerSecond' | 'downloadBytesPerSecond'>,
  address: string,
  port: number,
  rpcPort: number,
): object {
  const up = options.uploadBytesPerSecond;
  const down = options.downloadBytesPerSecond;
  return {
    'bind-address-ipv4': address,
    'bind-address-ipv6': '::1',
    'peer-port': port,
    'peer-port-random-on-start': false,
    'rpc-bind-address': '127.0.0.1',
    'rpc-port': rpcPort,
    'rpc-authentication-required': false,
    'dht-enabled': false,
    'lpd-enabled': false,
    'pex-enabled': false,
    'utp-enabled': false,
    'port-forwarding-enabled': false,
    // 0 prefers plain connections and takes encrypted ones, 2 wants encrypted ones alone.
    encryption: options.encryption === 'require' ? 2 : 0,
    // Writes go straight to the file, so that it can be compared the moment it is complete.
    'cache-size-mb': 0,
    'download-queue-enabled': false,
    'speed-limit-up-enabled': up !== undefined,
    'speed-limit-up': Math.ceil((up ?? 0) / KIB),
    'speed-limit-down-enabled': down !== undefined,
    'speed-limit-down': Math.ceil((down ?? 0) / KIB),
    'start-added-torrents': true,
    'rename-partial-files': false,
  };
}

async function start(options: SeedOptions | LeechOptions): Promise<RunningPeer> {
  const address = addressOf(options);
  const { folder, source, isMagnet } = sourceOf(options);
  const { path: profile, remove } = await temporaryFolder('transmission');
  const [port = 0] = await freePorts(1, address);
  const [rpcPort = 0] = await freePorts(1);
  await writeFile(`${profile}/settings.json`, JSON.stringify(transmissionSettings(options, address, port, rpcPort)));
  const part = startPart('transmission-daemon', ['-f', '-g', profile], { logFile: `${profile}/log` });
  const call = transmissionRpc(rpcPort);
  return orCleanUp(part, remove, async () => {
    await waitFor('transmission to answer', START_TIMEOUT_MILLISECONDS, () => {
      if (!part.running()) throw new Error('transmission ended at its start');
      return call('session-get', {}).then(
        () => true,
        () => false,
      );
    });
    const torrent = isMagnet ? { filename: source } : { metainfo: (await readFile(source)).toString('base64') };
    await call('torrent-add', { ...torrent, 'download-dir': folder, paused: false });
    const fields = ['leftUntilDone', 'sizeWhenDone', 'metadataPercentComplete', 'errorString'];
    const progress = async () => {
      const { torrents } = (await call('torrent-get', { fields })) as { torrents: TorrentState[] };
      const state = torrents[0];
      if (state === undefined || state.metadataPercentComplete < 1 || state.sizeWhenDone === 0) return 0;
      return 1 - state.leftUntilDone / state.sizeWhenDone;
    };
    return runningPeer('transmission', { part, address, port, progress, removeProfile: remove });
  });
}

export const transmission: PeerClient = {
  name: 'transmission',
  dials: false,
  dialsLoopback: false,
  async seed(options) {
    const peer = await startWithRetries(() => start(options));
    // It checks the files it finds before it seeds them.
    await peer.untilComplete();
    return peer;
  },
  leech: (options) => startWithRetries(() => start(options)),
};
