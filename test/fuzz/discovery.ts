// The parsers of torrent/discovery: what trackers answer over HTTP and UDP.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseReply, parseUdpReply, TrackerError } from '../../src/torrent/discovery/index.ts';
import type { AnnounceReply } from '../../src/torrent/discovery/ports.ts';
import { type Encodable, encode } from '../../src/torrent/metainfo/index.ts';
import type { Target } from './driver.ts';
import { encodable } from './metainfo.ts';

const isTrackerError = (error: unknown) => error instanceof TrackerError;
const URL_ASKED = new URL('http://tracker.example/announce?passkey=secret');
const PLACE = { address: '127.0.0.1', family: 4, port: 80, host: 'tracker.example:80', url: URL_ASKED } as const;
/** What a reply names at most, whatever it holds. */
const MOST_PEERS = 500;
/** Action and transaction id: a shorter packet is nobody's reply. */
const LEAST_UDP_BYTES = 8;

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((some) => Buffer.from(some));
const number = fc.oneof(fc.nat(5_000), fc.nat({ max: Number.MAX_SAFE_INTEGER }), fc.constant(-1));
const peer = fc.record({ ip: fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()), port: fc.nat(70_000) });

const reply = fc
  .record(
    {
      interval: number,
      'min interval': number,
      complete: number,
      incomplete: number,
      peers: fc.oneof(bytes(60), fc.array(peer, { maxLength: 4 })),
      peers6: bytes(60),
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

function judge(found: AnnounceReply): void {
  assert.ok(found.peers.length <= MOST_PEERS);
  assert.ok(found.peers.every(({ port }) => port > 0 && port <= 65_535));
  assert.ok(Number.isFinite(found.intervalSeconds) && found.intervalSeconds >= 0);
}

export const DISCOVERY: readonly Target[] = [
  {
    name: 'tracker-http',
    isRefusal: isTrackerError,
    drawn: fc.oneof(reply, failing),
    read: (input) => judge(parseReply(input, [URL_ASKED], 200)),
  },
  {
    name: 'tracker-http-error',
    isRefusal: isTrackerError,
    drawn: fc.oneof(failing, reply),
    // Another status never gives peers: each is refused, with words.
    read: (input) => assert.throws(() => parseReply(input, [URL_ASKED], 503), TrackerError),
  },
  {
    name: 'tracker-udp',
    isRefusal: isTrackerError,
    drawn: udp,
    read: (input) => (input.length < LEAST_UDP_BYTES ? false : judge(parseUdpReply(input, PLACE))),
  },
];
