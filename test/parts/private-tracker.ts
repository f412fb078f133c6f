// A private tracker: the rules of private-tracker-rules.ts behind a small HTTP server.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type PrivateAnnounce, PrivateTrackerRules, type TrackerEvent } from './private-tracker-rules.ts';
import { bencode } from './torrent.ts';

export interface PrivateTracker {
  readonly rules: PrivateTrackerRules;
  /** All that came in, oldest first, with the failure reason it was answered with, if any. */
  readonly announces: readonly (PrivateAnnounce & { readonly failure: string | null })[];
  /** Where a user of this passkey announces. */
  url(passkey: string): string;
  /** `host:port` */
  readonly host: string;
  /** Until called with null: connections are closed without an answer, hang, or get this reply (status 200). */
  misbehave(how: 'close' | 'hang' | Buffer | null): void;
  stop(): Promise<void>;
}

/** Bytes of a percent-encoded parameter as hex digits. */
function hexOf(query: string, name: string): string {
  const raw = new RegExp(`(?:^|&)${name}=([^&]*)`).exec(query)?.[1] ?? '';
  const bytes = raw.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('hex');
}

function read(request: IncomingMessage): PrivateAnnounce {
  const [path = '', query = ''] = (request.url ?? '').split('?');
  const parameters = new URLSearchParams(query);
  const number = (name: string) => Number(parameters.get(name) ?? Number.NaN);
  return {
    passkey: path.split('/')[1] ?? '',
    infoHash: hexOf(query, 'info_hash'),
    peerId: hexOf(query, 'peer_id'),
    event: (parameters.get('event') ?? '') as TrackerEvent,
    uploaded: number('uploaded'),
    downloaded: number('downloaded'),
    left: number('left'),
    port: number('port'),
    address: request.socket.remoteAddress ?? '',
    key: parameters.get('key'),
    compact: parameters.get('compact'),
    userAgent: request.headers['user-agent'] ?? '',
    headers: Object.keys(request.headers),
    at: performance.now(),
  };
}

function compactPeers(peers: readonly { address: string; port: number }[]): Buffer {
  return Buffer.concat(
    peers.map(({ address, port }) => Buffer.from([...address.split('.').map(Number), port >> 8, port & 255])),
  );
}

/** Starts one on 127.0.0.1, on a port chosen at run time. `intervalSeconds` (default 1,800) is told to clients. */
export async function startPrivateTracker(options: { intervalSeconds?: number } = {}): Promise<PrivateTracker> {
  const rules = new PrivateTrackerRules();
  const announces: (PrivateAnnounce & { failure: string | null })[] = [];
  let fault: 'close' | 'hang' | Buffer | null = null;
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    if (fault === 'close') request.socket.destroy();
    else if (Buffer.isBuffer(fault)) response.end(fault);
    if (fault !== null) return;
    const announce = read(request);
    const result = rules.announce(announce);
    announces.push({ ...announce, failure: 'failure' in result ? result.failure : null });
    if ('failure' in result) response.end(bencode({ 'failure reason': result.failure }));
    else {
      response.end(
        bencode({
          interval: options.intervalSeconds ?? 1_800,
          'min interval': 30,
          complete: result.seeders,
          incomplete: result.peers.length,
          peers: compactPeers(result.peers),
        }),
      );
    }
  };
  const server = createServer(answer);
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    rules,
    announces,
    host,
    url: (passkey) => `http://${host}/${passkey}/announce`,
    misbehave(how) {
      fault = how;
    },
    stop: () =>
      new Promise((stopped) => {
        server.close(() => stopped());
        server.closeAllConnections();
      }),
  };
}
