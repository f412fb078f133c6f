import { createSocket } from 'node:dgram';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { systemRandom } from '../../lib/random.ts';
import { encode } from '../metainfo/index.ts';
import type { SourceAddress } from '../ports.ts';
import { HttpTracker } from './http-tracker.ts';
import type { AnnounceRequest } from './ports.ts';
import { createPeerLookup, createResolver } from './resolver.ts';
import { UdpTracker } from './udp-tracker.ts';

const request: AnnounceRequest = {
  ...{ infoHash: Buffer.alloc(20, 1), peerId: Buffer.alloc(20, 2), key: 1, port: 51_533 },
  ...{ uploaded: 0, downloaded: 0, left: 0, event: null, wanted: 0, trackerId: null },
};

/** Addresses of ours that a test takes and gives. */
class Source implements SourceAddress {
  #address: string | null = '127.0.0.2';
  readonly #changed = new Set<() => void>();

  localAddress(family: 4 | 6): string | null {
    return family === 4 ? this.#address : null;
  }

  onChange(changed: () => void): () => void {
    this.#changed.add(changed);
    return () => void this.#changed.delete(changed);
  }

  set(address: string | null): void {
    this.#address = address;
    for (const changed of this.#changed) changed();
  }
}

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** An HTTP tracker that notes where announces came from. */
async function httpTracker() {
  const from: string[] = [];
  let connections = 0;
  const server = createServer((incoming, response) => {
    from.push(incoming.socket.remoteAddress ?? '');
    response.end(encode({ interval: 1800, peers: '' }));
  });
  server.on('connection', (socket) => {
    connections++;
    socket.on('close', () => connections--);
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  closers.push(() => server.close().closeAllConnections());
  const { port } = server.address() as AddressInfo;
  return { url: new URL(`http://127.0.0.1:${port}/announce`), port, from, open: () => connections };
}

/** A UDP tracker that does. */
async function udpTracker() {
  const from: string[] = [];
  const server = createSocket('udp4');
  await new Promise<void>((ready) => server.bind(0, '127.0.0.1', ready));
  server.on('message', (packet, { address, port }) => {
    from.push(address);
    const isConnect = packet.length === 16;
    const reply = Buffer.alloc(isConnect ? 16 : 20);
    reply.writeUInt32BE(isConnect ? 0 : 1, 0);
    packet.copy(reply, 4, 12, 16);
    server.send(reply, port, address);
  });
  closers.push(() => server.close());
  return { url: new URL(`udp://127.0.0.1:${server.address().port}/announce`), from };
}

const signal = new AbortController().signal;
const GONE = { kind: 'unreachable', message: 'the network that bae is bound to is not there' };

it('announces over HTTP come from the bound address, and from nowhere while there is none', async () => {
  const { url, port, from, open } = await httpTracker();
  const source = new Source();
  const tracker = new HttpTracker({
    resolver: createResolver(true, source),
    userAgent: 'bae/0.1.0',
    encryption: 'prefer',
    source,
  });
  closers.push(() => tracker.close());
  const named = new URL(`http://localhost:${port}/announce`);
  await tracker.announce(url, request, signal);
  await tracker.announce(named, request, signal);
  expect(from).toEqual(['127.0.0.2', '127.0.0.2']);
  expect(open()).toBeGreaterThan(0);
  source.set(null);
  for (const one of [url, named]) await expect(tracker.announce(one, request, signal)).rejects.toMatchObject(GONE);
  await expect.poll(open).toBe(0);
  source.set('127.0.0.3');
  await tracker.announce(named, request, signal);
  expect(from.slice(2)).toEqual(['127.0.0.3']);
  await expect(tracker.announce(new URL('http://[::1]:1/'), request, signal)).rejects.toMatchObject({
    kind: 'unreachable',
  });
});

it('announces over UDP too', async () => {
  const { url, from } = await udpTracker();
  const source = new Source();
  const resolver = createResolver(true, source);
  const tracker = new UdpTracker({ resolver, clock: systemClock, random: systemRandom, source });
  closers.push(() => tracker.close());
  await tracker.announce(url, request, signal);
  expect(from).toEqual(['127.0.0.2', '127.0.0.2']);
  source.set(null);
  await expect(tracker.announce(url, request, signal)).rejects.toMatchObject(GONE);
  source.set('127.0.0.3');
  await tracker.announce(url, request, signal);
  expect(from.slice(2)).toEqual(['127.0.0.3', '127.0.0.3']);
});

it('no name is looked up while the bound address is gone', async () => {
  const source = new Source();
  source.set(null);
  const resolver = createResolver(true, source);
  // A name that is nowhere would be told as such if it had been asked for.
  await expect(resolver.resolve('tracker.invalid')).rejects.toMatchObject(GONE);
  const looked = new Promise((resolve) => resolver.lookup('tracker.invalid', {}, (error) => resolve(error)));
  expect(await looked).toMatchObject(GONE);
});

it('no name of a peer either; it waits for the address to be back, and who is named by address does not', async () => {
  const source = new Source();
  source.set(null);
  const look = createPeerLookup(source);
  expect(await look('10.1.2.3')).toEqual(['10.1.2.3']);
  expect(await look('::1')).toEqual(['::1']);
  let told: unknown = 'nothing';
  const asked = look('peer.invalid').catch((error) => {
    told = error;
  });
  const found = look('localhost');
  // Asked for, this name would be told as nowhere by now.
  await expect(createPeerLookup()('peer.invalid')).rejects.toThrow('has no address');
  expect(told).toBe('nothing');
  source.set('127.0.0.2');
  expect(await found).toEqual(['127.0.0.1']);
  await asked;
  expect(told).toMatchObject({ message: expect.stringContaining('peer.invalid has no address') });
});
