import { createSocket, type Socket } from 'node:dgram';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { systemRandom } from '../../lib/random.ts';
import { type AnnounceRequest, TrackerError } from './ports.ts';
import { createResolver } from './resolver.ts';
import { UdpTracker } from './udp-tracker.ts';

const request: AnnounceRequest = {
  infoHash: Buffer.alloc(20, 1),
  peerId: Buffer.from('-BA0100-abcdefghijkl'),
  key: 0xdeadbeef,
  port: 51_533,
  uploaded: 5_000_000_000,
  downloaded: 6,
  left: 7,
  event: 'completed',
  wanted: 50,
  trackerId: null,
};
const CONNECTION = Buffer.from('0102030405060708', 'hex');

let server: Socket;
let url: URL;
let tracker: UdpTracker;
let packets: Buffer[];
let announceReply: (transaction: Buffer) => Buffer | null;

beforeEach(async () => {
  packets = [];
  server = createSocket('udp4');
  await new Promise<void>((ready) => server.bind(0, '127.0.0.1', ready));
  server.on('message', (packet, from) => {
    packets.push(packet);
    const connecting = packet.length === 16;
    const transaction = packet.subarray(12, 16);
    const reply = connecting ? Buffer.concat([Buffer.alloc(4), transaction, CONNECTION]) : announceReply(transaction);
    if (reply !== null) server.send(reply, from.port, from.address);
  });
  url = new URL(`udp://127.0.0.1:${server.address().port}/announce?passkey=secret`);
  tracker = new UdpTracker({ resolver: createResolver(true), clock: systemClock, random: systemRandom });
});
afterEach(() => {
  tracker.close();
  server.close();
});

const announce = () => tracker.announce(url, request, AbortSignal.timeout(3_000));
const good = (transaction: Buffer) =>
  Buffer.concat([
    Buffer.from('00000001', 'hex'),
    transaction,
    Buffer.from('000007080000000200000003', 'hex'),
    Buffer.from('7f0000011ae1', 'hex'),
    Buffer.from('ff', 'hex'),
  ]);

test('connects, announces with the path as URL data (BEP 41), and keeps the connection id', async () => {
  announceReply = good;
  expect(await announce()).toMatchObject({
    intervalSeconds: 1800,
    leechers: 2,
    seeders: 3,
    peers: [{ host: '127.0.0.1', port: 6881 }],
  });
  await announce();
  expect(packets.map((packet) => packet.length)).toEqual([16, 98 + 2 + 24, 98 + 2 + 24]);
  const packet = packets[1] as Buffer;
  expect(packet.subarray(0, 8)).toEqual(CONNECTION);
  expect(packet.subarray(16, 56)).toEqual(Buffer.concat([request.infoHash, request.peerId]));
  expect([packet.readBigUInt64BE(56), packet.readBigUInt64BE(64), packet.readBigUInt64BE(72)]).toEqual([
    6n,
    7n,
    5_000_000_000n,
  ]);
  expect([packet.readUInt32BE(80), packet.readUInt32BE(88), packet.readUInt16BE(96)]).toEqual([1, 0xdeadbeef, 51_533]);
  expect(packet.subarray(98)).toEqual(Buffer.concat([Buffer.from([2, 24]), Buffer.from('/announce?passkey=secret')]));
});

test('an error packet is the tracker’s refusal', async () => {
  announceReply = (transaction) =>
    Buffer.concat([Buffer.from('00000003', 'hex'), transaction, Buffer.from('not registered')]);
  await expect(announce()).rejects.toMatchObject({ kind: 'refused', message: 'not registered' });
});

test('short replies are malformed; a wrong transaction id or another sender is not heard', async () => {
  announceReply = (transaction) => Buffer.concat([Buffer.from('00000001', 'hex'), transaction, Buffer.alloc(3)]);
  await expect(announce()).rejects.toThrow('malformed');
  const stranger = createSocket('udp4');
  server.on('message', (packet, from) => {
    if (packet.length > 16) stranger.send(good(packet.subarray(12, 16)), from.port, from.address);
  });
  announceReply = (transaction) => good(Buffer.from(transaction.map((byte) => byte ^ 1)));
  await expect(tracker.announce(url, request, AbortSignal.timeout(300))).rejects.toThrow('did not answer in time');
  stranger.close();
});

test('the announce leaves when `sending` allows it, once the tracker has answered to the connect; never where that fails', async () => {
  announceReply = good;
  const lengths: number[] = [];
  const sending = async () => {
    lengths.push(...packets.map((packet) => packet.length));
  };
  await tracker.announce(url, { ...request, sending }, AbortSignal.timeout(3_000));
  expect([lengths, packets.length]).toEqual([[16], 2]);
  const refused = new TrackerError('unreachable', 'not kept');
  const broken = { ...request, sending: () => Promise.reject(refused) };
  await expect(tracker.announce(url, broken, AbortSignal.timeout(3_000))).rejects.toBe(refused);
  expect(packets).toHaveLength(2);
});

test('a tracker with an IPv6 address names peers that have one', async () => {
  const six = createSocket('udp6');
  await new Promise<void>((ready) => six.bind(0, '::1', ready));
  six.on('message', (packet, from) => {
    const transaction = packet.subarray(12, 16);
    const peer = Buffer.concat([Buffer.alloc(15), Buffer.from('011ae1', 'hex')]);
    const head = Buffer.concat([Buffer.from('00000001', 'hex'), transaction, Buffer.alloc(12)]);
    const connected = Buffer.concat([Buffer.alloc(4), transaction, CONNECTION]);
    six.send(packet.length === 16 ? connected : Buffer.concat([head, peer]), from.port, from.address);
  });
  const place = new URL(`udp://[::1]:${six.address().port}/announce`);
  const { peers } = await tracker.announce(place, request, AbortSignal.timeout(3_000));
  expect(peers).toEqual([{ host: '::1', port: 6881 }]);
  six.close();
});
