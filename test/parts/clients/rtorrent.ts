// rtorrent 0.9.8, driven by XML-RPC over an SCGI socket.
import { mkdir, writeFile } from 'node:fs/promises';
import { connect as dial } from 'node:net';
import { freePorts, startPart, temporaryFolder, waitFor } from '../process.ts';
import type { LeechOptions, PeerClient, RunningPeer, SeedOptions } from './client.ts';
import { addressOf, orCleanUp, runningPeer, sourceOf, startWithRetries } from './client.ts';

const START_TIMEOUT_MILLISECONDS = 15_000;

function configuration(
  options: SeedOptions | LeechOptions,
  profile: string,
  folder: string,
  address: string,
  port: number,
) {
  return `session.path.set = "${profile}/session"
directory.default.set = "${folder}"
network.scgi.open_local = "${profile}/scgi"
network.bind_address.set = ${address}
network.port_range.set = ${port}-${port}
network.port_random.set = no
dht.mode.set = disable
protocol.pex.set = no
protocol.encryption.set = ${options.encryption === 'require' ? 'require,require_RC4' : 'allow_incoming'}
trackers.use_udp.set = yes
pieces.hash.on_completion.set = no
throttle.global_up.max_rate.set = ${options.uploadBytesPerSecond ?? 0}
throttle.global_down.max_rate.set = ${options.downloadBytesPerSecond ?? 0}
log.open_file = "detail", "${profile}/detail.log"
log.add_output = "info", "detail"
system.daemon.set = true
`;
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** Sends raw bytes to a Unix socket and returns all that comes back. */
function exchange(socketPath: string, request: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = dial(socketPath);
    socket.once('error', reject);
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.once('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    socket.write(request);
  });
}

/** Calls a command; returns the scalars of its answer in their order, as text. */
async function call(socketPath: string, method: string, ...parameters: string[]): Promise<string[]> {
  const values = parameters.map((text) => `<param><value><string>${escapeXml(text)}</string></value></param>`);
  const body = Buffer.from(
    `<?xml version="1.0"?><methodCall><methodName>${method}</methodName><params>${values.join('')}</params></methodCall>`,
  );
  const headers = `CONTENT_LENGTH\0${body.length}\0SCGI\x001\0`;
  const answer = await exchange(socketPath, Buffer.concat([Buffer.from(`${headers.length}:${headers},`), body]));
  const fault = /<name>faultString<\/name>\s*<value><string>([^<]*)/.exec(answer);
  if (fault) throw new Error(`rtorrent: ${method}: ${fault[1]}`);
  return [...answer.matchAll(/<(i4|i8|string)>([^<]*)<\/\1>/g)].map((match) => match[2] ?? '');
}

async function start(options: SeedOptions | LeechOptions): Promise<RunningPeer> {
  const address = addressOf(options);
  const { folder, source } = sourceOf(options);
  const { path: profile, remove } = await temporaryFolder('rtorrent');
  const [port = 0] = await freePorts(1, address);
  await mkdir(`${profile}/session`);
  await writeFile(`${profile}/rc`, configuration(options, profile, folder, address, port));
  const part = startPart('rtorrent', ['-n', '-o', `import=${profile}/rc`], { logFile: `${profile}/log` });
  const socketPath = `${profile}/scgi`;
  return orCleanUp(part, remove, async () => {
    await waitFor('rtorrent to answer', START_TIMEOUT_MILLISECONDS, () => {
      if (!part.running()) throw new Error('rtorrent ended at its start');
      return call(socketPath, 'system.pid').then(
        () => true,
        () => false,
      );
    });
    await call(socketPath, 'load.start_verbose', '', source);
    const state = async () => {
      const fields = ['d.hash=', 'd.is_meta=', 'd.complete=', 'd.completed_bytes=', 'd.size_bytes='];
      const [hash = '', meta = '1', complete = '0', done = '0', size = '0'] = await call(
        socketPath,
        'd.multicall2',
        '',
        'main',
        ...fields,
      );
      return { hash, meta: meta === '1', complete: complete === '1', done: Number(done), size: Number(size) };
    };
    const { hash } = await waitFor('rtorrent to take the torrent', START_TIMEOUT_MILLISECONDS, async () => {
      const now = await state();
      return now.hash === '' ? undefined : now;
    });
    const connect = async (peer: string) => {
      await call(socketPath, 'add_peer', hash, peer);
    };
    const progress = async () => {
      const now = await state();
      if (now.meta || now.size === 0) return 0;
      return now.complete ? 1 : Math.min(now.done / now.size, 0.999);
    };
    for (const peer of ('peers' in options && options.peers) || []) await connect(peer);
    return runningPeer('rtorrent', { part, address, port, progress, connect, removeProfile: remove });
  });
}

export const rtorrent: PeerClient = {
  name: 'rtorrent',
  dials: true,
  dialsLoopback: true,
  async seed(options) {
    const peer = await startWithRetries(() => start(options));
    // It checks the files it finds before it seeds them.
    await peer.untilComplete();
    return peer;
  },
  leech: (options) => startWithRetries(() => start(options)),
};
