// Goes over limits of announces that no other test goes over; docs of each are in limits.ts.
import { createSocket } from 'node:dgram';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { EMPTY_REPLY, announceScene as scene } from '../../../test/parts/scripted-tracker.ts';
import { VirtualClock } from '../../../test/simulation/virtual-clock.ts';
import { seededRandom } from '../../lib/random.ts';
import { encode } from '../metainfo/index.ts';
import { HttpTracker } from './http-tracker.ts';
import * as limits from './limits.ts';
import { type AnnounceRequest, TrackerError } from './ports.ts';
import { createResolver } from './resolver.ts';
import { Tracker } from './tracker.ts';
import { UdpTracker } from './udp-tracker.ts';

const request: AnnounceRequest = {
  ...{ infoHash: Buffer.alloc(20, 1), peerId: Buffer.from('-BA0100-abcdefghijkl'), key: 1, port: 7, event: 'started' },
  ...{ uploaded: 0, downloaded: 0, left: 0, wanted: 50, trackerId: null },
};
const resolver = createResolver(true);

/** A reply of so many bytes in all. */
function replyOf(bytes: number): Buffer {
  const reply = (filler: number) => encode({ interval: 1_800, peers: Buffer.alloc(0), x: Buffer.alloc(filler) });
  // Around as many bytes, so that the filler's length has as many digits.
  return reply(2 * bytes - reply(bytes).length);
}

/** How an announce ends over HTTP: `null`, or why it failed. */
async function announceHttp(body: Buffer, headers: Record<string, string>): Promise<string | null> {
  const server = createServer((_, response) => response.writeHead(200, headers).end(body));
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const tracker = new HttpTracker({ resolver, userAgent: 'bae', encryption: 'prefer' });
  try {
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await tracker.announce(url, request, new AbortController().signal);
    return null;
  } catch (error) {
    if (!(error instanceof TrackerError)) throw error;
    return error.message;
  } finally {
    tracker.close();
    server.closeAllConnections();
    server.close();
  }
}

describe('a reply', () => {
  it('over HTTP has so many bytes and no more, packed or not', async () => {
    const [fits, over] = [replyOf(limits.REPLY_BYTES), replyOf(limits.REPLY_BYTES + 1)];
    expect([fits.length, over.length]).toEqual([limits.REPLY_BYTES, limits.REPLY_BYTES + 1]);
    expect(await announceHttp(fits, {})).toBe(null);
    expect(await announceHttp(over, {})).toMatch('is over 1 MiB');
    const packed = { 'content-encoding': 'gzip' };
    expect(await announceHttp(gzipSync(fits), packed)).toBe(null);
    expect(await announceHttp(gzipSync(over), packed)).toMatch('ERR_BUFFER_TOO_LARGE');
  });

  it(`is waited for ${limits.ANNOUNCE_MILLISECONDS / 1_000} s`, async () => {
    const signals: AbortSignal[] = [];
    const { add, pass } = scene((_, __, signal) => {
      signals.push(signal);
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    });
    add([['http://a/']]);
    await pass(limits.ANNOUNCE_MILLISECONDS / 1_000 - 1);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    await pass(2);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
  });
});

describe('a tracker that fails is left alone', () => {
  it.each([
    ['it is unreachable', new TrackerError('unreachable', 'down'), limits.MOST_RETRY_SECONDS],
    ['it will not have us', new TrackerError('refused', 'client not allowed'), limits.MOST_REFUSED_RETRY_SECONDS],
    ['it says so itself', new TrackerError('unreachable', 'busy', 1e12), limits.MOST_INTERVAL_SECONDS],
  ])('for no longer than so long, a little more or less, while %s', (_, failure, mostSeconds) => {
    const tracker = new Tracker('http://a/', new URL('http://a/'), 0, false);
    tracker.succeeded({ ...EMPTY_REPLY, intervalSeconds: limits.MOST_INTERVAL_SECONDS }, 0);
    const random = seededRandom(1);
    for (let times = 0; times < 50; times++) tracker.failed(failure, 0, random);
    expect(tracker.notBefore).toBeGreaterThanOrEqual(0.75 * mostSeconds);
    expect(tracker.notBefore).toBeLessThanOrEqual(1.25 * mostSeconds);
  });
});

describe('a UDP tracker', () => {
  /** Announces to a server that answers as `answer` says, on a clock that is moved by hand. */
  async function setUp(answer: (packet: Buffer) => Buffer | null) {
    const server = createSocket('udp4');
    const lengths: number[] = [];
    server.on('message', (packet, from) => {
      lengths.push(packet.length);
      const reply = answer(packet);
      if (reply !== null) server.send(reply, from.port, from.address);
    });
    await new Promise<void>((ready) => server.bind(0, '127.0.0.1', ready));
    const clock = new VirtualClock();
    const tracker = new UdpTracker({ resolver, clock, random: seededRandom(1) });
    const url = new URL(`udp://127.0.0.1:${server.address().port}`);
    const announce = () => tracker.announce(url, request, new AbortController().signal);
    const end = () => {
      tracker.close();
      server.close();
    };
    return { clock, announce, lengths, end };
  }

  it(`is sent a request ${limits.UDP_TRIES} times, each time waiting twice as long`, async () => {
    const { clock, announce, lengths, end } = await setUp(() => null);
    const failed = announce().then(
      () => 'answered',
      (error: Error) => error.message,
    );
    const sent: number[] = [];
    for (let attempt = 0; attempt <= limits.UDP_TRIES; attempt++) {
      await delay(30);
      sent.push(lengths.length);
      await clock.run(limits.UDP_FIRST_WAIT_MILLISECONDS * 2 ** attempt);
    }
    expect(sent).toEqual([...Array.from({ length: limits.UDP_TRIES }, (_, at) => at + 1), limits.UDP_TRIES]);
    expect(await failed).toMatch('does not answer');
    end();
  });

  it('is connected with anew after a minute (BEP 15)', async () => {
    const { clock, announce, lengths, end } = await setUp((packet) => {
      const transaction = packet.subarray(12, 16);
      if (packet.length === 16) return Buffer.concat([Buffer.alloc(4), transaction, Buffer.alloc(8, 5)]);
      return Buffer.concat([Buffer.from('00000001', 'hex'), transaction, Buffer.alloc(12)]);
    });
    await announce();
    await clock.run(limits.UDP_CONNECTION_MILLISECONDS - 1_000);
    await announce();
    await clock.run(2_000);
    await announce();
    expect(lengths.map((length) => length === 16)).toEqual([true, false, false, true, false]);
    end();
  });
});

it('a switch to another protocol is told at once: neither a reply nor an error comes of it', async () => {
  const switching = createTcpServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', () =>
      socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'),
    );
  });
  await new Promise<void>((ready) => switching.listen(0, '127.0.0.1', ready));
  const tracker = new HttpTracker({ resolver, userAgent: 'bae', encryption: 'prefer' });
  const url = new URL(`http://127.0.0.1:${(switching.address() as AddressInfo).port}/`);
  await expect(tracker.announce(url, request, AbortSignal.timeout(5_000))).rejects.toThrow(
    'cannot be reached (broken reply)',
  );
  tracker.close();
  await new Promise((closed) => switching.close(closed));
});
