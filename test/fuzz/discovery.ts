// The parsers of torrent/discovery but for the DHT's: what trackers answer over HTTP and UDP, and what the local network says.
import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { silentLog } from '../../src/lib/log.ts';
import { seededRandom } from '../../src/lib/random.ts';
import { LocalDiscovery, parseReply, parseUdpReply, TrackerError } from '../../src/torrent/discovery/index.ts';
import type { AnnounceReply, PeerAddress } from '../../src/torrent/discovery/ports.ts';
import { type Encodable, encode } from '../../src/torrent/metainfo/index.ts';
import type { DatagramHandlers, MulticastNetwork } from '../../src/torrent/ports.ts';
import { VirtualClock } from '../simulation/virtual-clock.ts';
import type { Target } from './driver.ts';
import { closeHttpServer, readHttpReply } from './http-reply.ts';
import { encodable } from './metainfo.ts';
import { buffer, bytes } from './parts.ts';

const isTrackerError = (error: unknown) => error instanceof TrackerError;
const SECRET = 'passkey-of-mine';
const URL_ASKED = new URL(`http://tracker.example/announce?passkey=${SECRET}`);
/** What a reply names at most, whatever it holds. */
const MOST_PEERS = 500;
const MOST_WORDS = 300;
/** Action and transaction id: a shorter packet is nobody's reply. */
const LEAST_UDP_BYTES = 8;

const number = fc.oneof(
  { arbitrary: fc.nat(5_000), weight: 8 },
  { arbitrary: fc.nat({ max: Number.MAX_SAFE_INTEGER }), weight: 2 },
  { arbitrary: fc.constant(-1), weight: 1 },
);
const compact = (bytesEach: number) =>
  fc.array(buffer(bytesEach), { maxLength: 5 }).map((peers) => Buffer.concat(peers));
const peer = fc.record({ ip: fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()), port: fc.nat(70_000) });

const reply = fc
  .record(
    {
      interval: number,
      'min interval': number,
      complete: number,
      incomplete: number,
      peers: fc.oneof(compact(6), compact(6), bytes(20), fc.array(peer, { maxLength: 4 })),
      peers6: fc.oneof(compact(18), bytes(20)),
      'warning message': fc.string(),
      'tracker id': bytes(10),
    },
    { requiredKeys: ['interval'] },
  )
  .map((one) => encode(one as Encodable));
const failing = fc
  .record({
    'failure reason': fc.oneof(fc.string(), encodable),
    'retry in': fc.oneof(number, fc.constantFrom('never', '12', 'x'), encodable),
  })
  .map((one) => encode(one as Encodable));

const udp = fc
  .tuple(fc.constantFrom(0, 1, 3, 9), fc.nat(5_000), fc.nat(5_000), fc.nat(5_000), bytes(60))
  .map(([action, ...rest]) => {
    const head = Buffer.alloc(20);
    head.writeUInt32BE(action, 0);
    for (const [at, value] of rest.slice(0, 3).entries()) head.writeUInt32BE(Number(value), 8 + 4 * at);
    return Buffer.concat([head, rest[3]]);
  });

/** A whole HTTP reply, in the ways that trackers and what stands before them send one. */
const http = fc
  .tuple(fc.oneof(reply, failing), fc.constantFrom('length', 'chunked', 'close', 'gzip', 'gzip chunked'), fc.nat(20))
  .map(([body, how, chunkBytes]) => {
    const sent = how.startsWith('gzip') ? gzipSync(body) : body;
    const head = ['HTTP/1.1 200 OK', 'Content-Type: text/plain'];
    if (how.startsWith('gzip')) head.push('Content-Encoding: gzip');
    if (how.endsWith('chunked')) head.push('Transfer-Encoding: chunked');
    else if (how !== 'close') head.push(`Content-Length: ${sent.length}`);
    const content = how.endsWith('chunked') ? chunked(sent, chunkBytes + 1) : sent;
    return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), content]);
  });

function chunked(body: Buffer, chunkBytes: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; at += chunkBytes) {
    const part = body.subarray(at, at + chunkBytes);
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n'));
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}

function judge(found: AnnounceReply): void {
  assert.ok(found.peers.length <= MOST_PEERS);
  assert.ok(found.peers.every(({ port }) => port > 0 && port <= 65_535));
  assert.ok(Number.isFinite(found.intervalSeconds) && found.intervalSeconds >= 0);
  assert.ok((found.warning ?? '').length <= MOST_WORDS);
}

/** The reply, or why there is none: with words that are short and hold no secret. */
function told(error: unknown): void {
  if (!(error instanceof TrackerError)) throw error;
  assert.ok(error.message.length > 0 && !error.message.includes(SECRET));
  const { retryInSeconds } = error;
  assert.ok(retryInSeconds === null || retryInSeconds > 0);
}

function readReply(input: Buffer): boolean {
  // Another status never gives peers: each is refused, with words.
  assert.throws(() => parseReply(input, [URL_ASKED], 503), TrackerError);
  try {
    judge(parseReply(input, [URL_ASKED], 200));
    return true;
  } catch (error) {
    told(error);
    return false;
  }
}

/** From an IPv4 tracker where the last byte is even, else from an IPv6 one. */
function readUdp(input: Buffer): boolean {
  if (input.length < LEAST_UDP_BYTES) return false;
  const isIpv4 = (input.at(-1) ?? 0) % 2 === 0;
  const at = isIpv4 ? ({ address: '127.0.0.1', family: 4 } as const) : ({ address: '::1', family: 6 } as const);
  try {
    judge(parseUdpReply(input, { ...at, port: 80, host: 'tracker.example:80', url: URL_ASKED }));
    return true;
  } catch (error) {
    told(error);
    return false;
  }
}

const HASH = Buffer.alloc(20, 0xab);
const NEIGHBOUR = '10.0.0.9';
const line = fc.oneof(
  fc.constantFrom(`Infohash: ${HASH.toString('hex')}`, `Infohash: ${'cd'.repeat(20)}`, 'cookie: x', 'Host: x:1'),
  fc.nat(70_000).map((port) => `Port: ${port}`),
  fc.string().map((value) => `X-Y: ${value}`),
);
const local = fc
  .tuple(fc.nat(65_535), fc.array(line, { maxLength: 5 }))
  .map(([port, lines]) =>
    Buffer.from(
      ['BT-SEARCH * HTTP/1.1', `Port: ${port}`, `Infohash: ${HASH.toString('hex')}`, ...lines, '', '', ''].join('\r\n'),
      'latin1',
    ),
  );

/** A datagram that comes to the group in which our own discovery listens. */
async function readLocal(input: Buffer): Promise<boolean> {
  const joined: DatagramHandlers[] = [];
  const socket = { port: 6771, send: () => undefined, close: () => undefined };
  const network: MulticastNetwork = {
    join: (_group, _port, _address, handlers) => {
      joined.push(handlers);
      return Promise.resolve(socket);
    },
  };
  const random = seededRandom(1);
  const discovery = new LocalDiscovery({ network, random, clock: new VirtualClock(), log: silentLog });
  const found: PeerAddress[] = [];
  discovery.add({ infoHash: HASH, found: (peers) => void found.push(...peers) });
  await discovery.start({ addresses: ['0.0.0.0'], port: 6881 });
  joined[0]?.received(input, NEIGHBOUR, 6771);
  discovery.close();
  for (const { host, port } of found) assert.ok(host === NEIGHBOUR && port >= 1 && port <= 65_535);
  return found.length > 0;
}

export const DISCOVERY: readonly Target[] = (
  [
    { name: 'tracker-http', drawn: fc.oneof(reply, failing), read: readReply },
    {
      name: 'tracker-http-stream',
      drawn: http,
      read: async (input) => {
        const found = await readHttpReply(input);
        if (found === null) return false;
        judge(found);
        return true;
      },
      close: closeHttpServer,
    },
    { name: 'tracker-udp', drawn: udp, read: readUdp },
    { name: 'lsd', drawn: local, read: readLocal },
  ] satisfies Omit<Target, 'isRefusal'>[]
).map((target) => ({ ...target, isRefusal: isTrackerError }));
