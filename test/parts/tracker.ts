// A real tracker (HTTP and UDP) that writes down every announce as it came in.
import type { IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import Server from 'bittorrent-tracker/server';

/** One announce; counters in bytes as the client told them. */
export interface Announce {
  protocol: 'http' | 'udp';
  /** 40 hex digits. */
  infoHash: string;
  /** 40 hex digits. */
  peerId: string;
  /** `''` for a regular one. */
  event: '' | 'started' | 'completed' | 'stopped';
  uploaded: number;
  downloaded: number;
  left: number;
  port: number;
  /** Where the request came from. */
  ip: string;
  key: string | undefined;
  numwant: number | undefined;
  /** Milliseconds since the Unix epoch. */
  time: number;
  /** Path and query (HTTP only). */
  url: string | undefined;
  /** HTTP only. */
  headers: IncomingHttpHeaders | undefined;
}

/** A running tracker. */
export interface Tracker {
  /** `http://ADDRESS:PORT/announce` */
  readonly announceUrl: string;
  /** `udp://ADDRESS:PORT/announce` */
  readonly udpUrl: string;
  /** All announces so far, oldest first. */
  readonly announces: readonly Announce[];
  /** Answers every announce with this failure reason until called with undefined. */
  refuse(reason: string | undefined): void;
  stop(): Promise<void>;
}

const UDP_ANNOUNCE_BYTES = 98;
const UDP_ACTION_ANNOUNCE = 1;
const UDP_EVENTS = ['', 'completed', 'started', 'stopped'] as const;

/** A percent-encoded binary parameter as hex digits; URLSearchParams would take it for UTF-8. */
function binaryParameter(query: string, name: string): string {
  const raw = new RegExp(`(?:^|&)${name}=([^&]*)`).exec(query)?.[1] ?? '';
  const latin1 = raw.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(latin1, 'latin1').toString('hex');
}

function eventOf(text: string | null): Announce['event'] {
  return text === 'started' || text === 'completed' || text === 'stopped' ? text : '';
}

function fromHttp(url: string, headers: IncomingHttpHeaders, ip: string): Announce | undefined {
  const [path, query = ''] = url.split('?');
  if (path !== '/announce') return undefined;
  const parameters = new URLSearchParams(query);
  const number = (name: string) => Number(parameters.get(name) ?? Number.NaN);
  return {
    protocol: 'http',
    infoHash: binaryParameter(query, 'info_hash'),
    peerId: binaryParameter(query, 'peer_id'),
    event: eventOf(parameters.get('event')),
    uploaded: number('uploaded'),
    downloaded: number('downloaded'),
    left: number('left'),
    port: number('port'),
    ip,
    key: parameters.get('key') ?? undefined,
    numwant: parameters.has('numwant') ? number('numwant') : undefined,
    time: Date.now(),
    url,
    headers,
  };
}

/** BEP 15, "announce request". */
function fromUdp(message: Buffer, ip: string): Announce | undefined {
  if (message.length < UDP_ANNOUNCE_BYTES || message.readUInt32BE(8) !== UDP_ACTION_ANNOUNCE) return undefined;
  return {
    protocol: 'udp',
    infoHash: message.toString('hex', 16, 36),
    peerId: message.toString('hex', 36, 56),
    downloaded: Number(message.readBigUInt64BE(56)),
    left: Number(message.readBigUInt64BE(64)),
    uploaded: Number(message.readBigUInt64BE(72)),
    event: UDP_EVENTS[message.readUInt32BE(80)] ?? '',
    key: message.toString('hex', 88, 92),
    numwant: message.readInt32BE(92),
    port: message.readUInt16BE(96),
    ip,
    time: Date.now(),
    url: undefined,
    headers: undefined,
  };
}

/**
 * Starts a tracker on ports chosen at run time.
 * `address` (default 127.0.0.1) is where it listens; peers are told under the address they announced from, so clients
 * that announce over loopback get loopback peers. `intervalSeconds` (default 600) is told to clients.
 */
export async function startTracker(options: { address?: string; intervalSeconds?: number } = {}): Promise<Tracker> {
  const address = options.address ?? '127.0.0.1';
  const announces: Announce[] = [];
  let refusal: string | undefined;
  const server = new Server({
    interval: (options.intervalSeconds ?? 600) * 1000,
    ws: false,
    stats: false,
    filter: (_infoHash, _parameters, done) => done(refusal === undefined ? undefined : new Error(refusal)),
  });
  server.on('warning', () => undefined);
  server.http.on('request', (request) => {
    const announce = fromHttp(request.url ?? '', request.headers, request.socket.remoteAddress ?? '');
    if (announce) announces.push(announce);
  });
  server.udp4.on('message', (message, from) => {
    const announce = fromUdp(message, from.address);
    if (announce) announces.push(announce);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ http: 0, udp: 0 }, { http: address, udp: address, udp6: '::1' }, resolve);
  });
  server.on('error', () => undefined);
  const httpPort = (server.http.address() as AddressInfo).port;
  const udpPort = server.udp4.address().port;
  let stopped: Promise<void> | undefined;
  return {
    announceUrl: `http://${address}:${httpPort}/announce`,
    udpUrl: `udp://${address}:${udpPort}/announce`,
    announces,
    refuse(reason) {
      refusal = reason;
    },
    stop() {
      stopped ??= new Promise((resolve) => {
        server.close(resolve);
        server.http.closeAllConnections();
      });
      return stopped;
    },
  };
}
