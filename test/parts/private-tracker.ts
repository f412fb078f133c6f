// A private tracker: the rules of private-tracker-rules.ts behind a small HTTP server.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, isIPv6 } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type PrivateAnnounce, PrivateTrackerRules, type TrackerEvent } from './private-tracker-rules.ts';
import { bencode } from './torrent.ts';

/**
 * - close: connections are closed without an answer, and nothing counts
 * - hang: no answer, and nothing counts
 * - cut: what came counts, and the connection is closed without an answer
 * - mute: what came counts, and there is no answer
 * - a buffer: this reply (status 200), and nothing counts
 */
export type Fault = 'close' | 'hang' | 'cut' | 'mute' | Buffer;

export interface PrivateTrackerOptions {
  /** Told to clients; default 1,800. */
  readonly intervalSeconds?: number;
  /** Default 127.0.0.1. */
  readonly address?: string;
  /** HTTPS with this key and certificate, PEM. */
  readonly tls?: { readonly key: string; readonly cert: string };
}

export interface PrivateTracker {
  readonly rules: PrivateTrackerRules;
  /** All that came in, oldest first, with the failure reason it was answered with, if any. */
  readonly announces: readonly (PrivateAnnounce & { readonly failure: string | null })[];
  /** Where a user of this passkey announces. */
  url(passkey: string): string;
  /** `host:port` */
  readonly host: string;
  /** Until called with null; of announces with this event alone, where one is named. */
  misbehave(how: Fault | null, event?: TrackerEvent): void;
  /** Answers to announces with this event come so much later. */
  delay(event: TrackerEvent, milliseconds: number): void;
  /** Connections that came so far. */
  connections(): number;
  /** Header names and values of all requests, as they came. */
  readonly rawHeaders: readonly (readonly string[])[];
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
    peers
      .filter(({ address }) => !isIPv6(address))
      .map(({ address, port }) => Buffer.from([...address.split('.').map(Number), port >> 8, port & 255])),
  );
}

/** Starts one on a port chosen at run time. */
export async function startPrivateTracker(options: PrivateTrackerOptions = {}): Promise<PrivateTracker> {
  const rules = new PrivateTrackerRules();
  const announces: (PrivateAnnounce & { failure: string | null })[] = [];
  const rawHeaders: string[][] = [];
  const delays = new Map<TrackerEvent, number>();
  let connections = 0;
  let fault: { readonly how: Fault; readonly event: TrackerEvent | undefined } | null = null;
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const announce = read(request);
    rawHeaders.push(request.rawHeaders);
    const how = fault === null || (fault.event ?? announce.event) !== announce.event ? null : fault.how;
    if (how === 'close') request.socket.destroy();
    else if (Buffer.isBuffer(how)) response.end(how);
    if (how === 'close' || how === 'hang' || Buffer.isBuffer(how)) return;
    const result = rules.announce(announce);
    announces.push({ ...announce, failure: 'failure' in result ? result.failure : null });
    if (how === 'cut') request.socket.destroy();
    if (how !== null) return;
    await delay(delays.get(announce.event) ?? 0);
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
  const { tls, address = '127.0.0.1' } = options;
  const server = tls === undefined ? createServer(answer) : createSecureServer(tls, answer);
  server.on('connection', () => connections++);
  await new Promise<void>((ready) => server.listen(0, address, ready));
  const host = `${isIPv6(address) ? `[${address}]` : address}:${(server.address() as AddressInfo).port}`;
  return {
    rules,
    announces,
    host,
    url: (passkey) => `${tls === undefined ? 'http' : 'https'}://${host}/${passkey}/announce`,
    misbehave(how, event) {
      fault = how === null ? null : { how, event };
    },
    delay: (event, milliseconds) => void delays.set(event, milliseconds),
    connections: () => connections,
    rawHeaders,
    stop: () =>
      new Promise((stopped) => {
        server.close(() => stopped());
        server.closeAllConnections();
      }),
  };
}
