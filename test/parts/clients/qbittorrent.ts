// qbittorrent-nox 4.5 over its web API.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { freePorts, startPart, temporaryFolder, waitFor } from '../process.ts';
import type { LeechOptions, PeerClient, RunningPeer, SeedOptions } from './client.ts';
import { addressOf, orCleanUp, runningPeer, sourceOf, startWithRetries } from './client.ts';

const START_TIMEOUT_MILLISECONDS = 30_000;
const ADD_TIMEOUT_MILLISECONDS = 10_000;
const KIB = 1024;

interface TorrentState {
  hash: string;
  progress: number;
  amount_left: number;
  state: string;
}

function configuration(options: SeedOptions | LeechOptions, address: string, port: number, webPort: number): string {
  const session = {
    Port: port,
    InterfaceAddress: address,
    BTProtocol: 'TCP',
    DHTEnabled: false,
    LSDEnabled: false,
    PeXEnabled: false,
    // 0 takes both encrypted and plain connections, 1 encrypted ones alone.
    Encryption: options.encryption === 'require' ? 1 : 0,
    MultiConnectionsPerIp: true,
    SSRFMitigation: false,
    QueueingSystemEnabled: false,
    TempPathEnabled: false,
    Preallocation: false,
    GlobalUPSpeedLimit: Math.ceil((options.uploadBytesPerSecond ?? 0) / KIB),
    GlobalDLSpeedLimit: Math.ceil((options.downloadBytesPerSecond ?? 0) / KIB),
  };
  const lines = Object.entries(session).map(([name, value]) => `Session\\${name}=${value}`);
  return `[LegalNotice]
Accepted=true

[BitTorrent]
${lines.join('\n')}

[Network]
PortForwardingEnabled=false

[Preferences]
WebUI\\Address=127.0.0.1
WebUI\\Port=${webPort}
WebUI\\LocalHostAuth=false
WebUI\\UseUPnP=false
`;
}

function api(webPort: number): (path: string, form?: FormData) => Promise<Response> {
  return async (path, form) => {
    const url = `http://127.0.0.1:${webPort}/api/v2/${path}`;
    const response = await fetch(url, form === undefined ? {} : { method: 'POST', body: form });
    if (!response.ok) throw new Error(`qbittorrent answers ${response.status} to ${path}`);
    return response;
  };
}

function formOf(fields: Record<string, string>): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  return form;
}

async function start(options: SeedOptions | LeechOptions): Promise<RunningPeer> {
  const address = addressOf(options);
  const { folder, source, isMagnet } = sourceOf(options);
  const { path: profile, remove } = await temporaryFolder('qbittorrent');
  const [port = 0] = await freePorts(1, address);
  const [webPort = 0] = await freePorts(1);
  await mkdir(`${profile}/qBittorrent/config`, { recursive: true });
  const file = `${profile}/qBittorrent/config/qBittorrent.conf`;
  await writeFile(file, configuration(options, address, port, webPort));
  const part = startPart('qbittorrent-nox', [`--profile=${profile}`], { logFile: `${profile}/log` });
  const call = api(webPort);
  return orCleanUp(part, remove, async () => {
    await waitFor('qbittorrent to answer', START_TIMEOUT_MILLISECONDS, () => {
      if (!part.running()) throw new Error('qbittorrent ended at its start');
      return call('app/version').then(
        () => true,
        () => false,
      );
    });
    const seeds = 'dataDir' in options;
    const form = formOf({
      savepath: folder,
      skip_checking: String(seeds),
      contentLayout: 'Original',
      autoTMM: 'false',
    });
    if (isMagnet) form.append('urls', source);
    else form.append('torrents', new Blob([await readFile(source)]), 'file.torrent');
    await call('torrents/add', form);
    const state = async () => ((await (await call('torrents/info')).json()) as TorrentState[])[0];
    const { hash } = await waitFor('qbittorrent to take the torrent', ADD_TIMEOUT_MILLISECONDS, state);
    const connect = async (peer: string) => {
      await call('torrents/addPeers', formOf({ hashes: hash, peers: peer }));
    };
    const progress = async () => {
      const now = await state();
      if (now === undefined || now.state === 'metaDL') return 0;
      return now.amount_left === 0 && /UP$|^uploading$/.test(now.state) ? 1 : Math.min(now.progress, 0.999);
    };
    for (const peer of ('peers' in options && options.peers) || []) await connect(peer);
    return runningPeer('qbittorrent', { part, address, port, progress, connect, removeProfile: remove });
  });
}

export const qbittorrent: PeerClient = {
  name: 'qbittorrent',
  dials: true,
  dialsLoopback: true,
  seed: (options) => startWithRetries(() => start(options)),
  leech: (options) => startWithRetries(() => start(options)),
};
