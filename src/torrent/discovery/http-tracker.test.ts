import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { encode } from '../metainfo/index.ts';
import { announceUrl, HttpTracker } from './http-tracker.ts';
import type { AnnounceRequest } from './ports.ts';
import { createResolver } from './resolver.ts';

const request: AnnounceRequest = {
  infoHash: Buffer.from('00ff41202f7e2d2e5f25aabbccddeeff00112233', 'hex'),
  peerId: Buffer.from('-BA0100-abcdefghijkl'),
  key: 0xbeef,
  port: 51_533,
  uploaded: 2 ** 40,
  downloaded: 7,
  left: 0,
  event: 'started',
  wanted: 50,
  trackerId: Buffer.from('a b'),
};
const PASSKEY = '0123456789abcdef-passkey';
const peers = Buffer.from([127, 0, 0, 1, 0x1a, 0xe1, 10, 0, 0, 2, 0, 80]);
const good = encode({ interval: 1800, 'min interval': 60, complete: 3, incomplete: 1, peers, 'tracker id': 'x' });

let answer: (request: IncomingMessage, response: ServerResponse) => void;
let seen: IncomingMessage[];
const server = createServer((incoming, response) => {
  seen.push(incoming);
  answer(incoming, response);
});
let tracker: HttpTracker;
let url: URL;

beforeEach(async () => {
  seen = [];
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/${PASSKEY}/announce?auth=${PASSKEY}`);
  tracker = new HttpTracker({ resolver: createResolver(true), userAgent: 'bae/0.1.0' });
});
afterEach(async () => {
  tracker.close();
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
});

const announce = (signal = new AbortController().signal) => tracker.announce(url, request, signal);
const body = (bytes: Buffer, status = 200) => {
  answer = (_, response) => response.writeHead(status).end(bytes);
};

describe('an announce over HTTP', () => {
  test('sends every field, bytes escaped one by one, and exactly our headers', async () => {
    body(good);
    const reply = await announce();
    expect(seen[0]?.url).toBe(
      `/${PASSKEY}/announce?auth=${PASSKEY}&info_hash=%00%FFA%20%2F~-._%25%AA%BB%CC%DD%EE%FF%00%11%223` +
        '&peer_id=-BA0100-abcdefghijkl&port=51533&uploaded=1099511627776&downloaded=7&left=0&corrupt=0&key=0000BEEF' +
        '&event=started&numwant=50&compact=1&no_peer_id=1&trackerid=a%20b',
    );
    const names = seen[0]?.rawHeaders.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase());
    expect(names?.sort()).toEqual(['accept-encoding', 'connection', 'host', 'user-agent']);
    expect(reply).toEqual({
      intervalSeconds: 1800,
      minIntervalSeconds: 60,
      seeders: 3,
      leechers: 1,
      peers: [
        { host: '127.0.0.1', port: 6881 },
        { host: '10.0.0.2', port: 80 },
      ],
      warning: null,
      trackerId: Buffer.from('x'),
    });
  });

  test('is these bytes on the wire, and no others, on one connection for one after the other', async () => {
    const got: string[] = [];
    let connections = 0;
    const raw = createTcpServer((socket) => {
      connections++;
      socket.on('data', (bytes) => {
        got.push(bytes.toString('latin1'));
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${good.length}\r\n\r\n`);
        socket.write(good);
      });
    });
    await new Promise<void>((ready) => raw.listen(0, '127.0.0.1', ready));
    const { port } = raw.address() as AddressInfo;
    const place = new URL(`http://127.0.0.1:${port}/k/announce`);
    for (const event of ['started', null] as const) {
      await tracker.announce(place, { ...request, event }, new AbortController().signal);
    }
    const target = (event: string) =>
      '/k/announce?info_hash=%00%FFA%20%2F~-._%25%AA%BB%CC%DD%EE%FF%00%11%223&peer_id=-BA0100-abcdefghijkl&port=51533' +
      `&uploaded=1099511627776&downloaded=7&left=0&corrupt=0&key=0000BEEF${event}&numwant=50&compact=1&no_peer_id=1` +
      '&trackerid=a%20b';
    const rest = `Host: 127.0.0.1:${port}\r\nConnection: keep-alive\r\n\r\n`;
    const ours = 'User-Agent: bae/0.1.0\r\nAccept-Encoding: gzip\r\n';
    expect(got).toEqual([
      `GET ${target('&event=started')} HTTP/1.1\r\n${ours}${rest}`,
      `GET ${target('')} HTTP/1.1\r\n${ours}${rest}`,
    ]);
    expect(connections).toBe(1);
    tracker.close();
    await new Promise((closed) => raw.close(closed));
  });

  test('a kept connection that the tracker has closed is no failure', async () => {
    let requests = 0;
    const raw = createTcpServer((socket) => {
      let first = true;
      socket.on('error', () => undefined);
      socket.on('data', () => {
        requests++;
        if (first)
          socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${good.length}\r\n\r\n${good.toString('latin1')}`, 'latin1');
        else socket.resetAndDestroy();
        first = false;
      });
    });
    await new Promise<void>((ready) => raw.listen(0, '127.0.0.1', ready));
    const place = new URL(`http://127.0.0.1:${(raw.address() as AddressInfo).port}/announce`);
    for (let index = 0; index < 3; index++) {
      await expect(tracker.announce(place, request, new AbortController().signal)).resolves.toMatchObject({
        seeders: 3,
      });
    }
    expect(requests).toBe(5);
    tracker.close();
    await new Promise((closed) => raw.close(closed));
  });

  test('a regular announce has no event, and a tracker without a query gets a question mark', () => {
    const plain = announceUrl(new URL('http://t.example/a#x'), { ...request, event: null, trackerId: null });
    expect(plain).toMatch(/^http:\/\/t\.example\/a\?info_hash=/);
    expect(plain).not.toMatch(/event|trackerid|#/);
  });

  test('takes gzip, dictionaries of peers (names left out) and peers6', async () => {
    const list = [
      { ip: '1.2.3.4', port: 5 },
      { ip: 'rebind.example', port: 5 },
      { ip: '::5', port: 6 },
    ];
    const six = Buffer.concat([Buffer.alloc(15), Buffer.from([9, 0, 7])]);
    answer = (_, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(encode({ peers: list, peers6: six })));
    expect((await announce()).peers).toEqual([
      { host: '1.2.3.4', port: 5 },
      { host: '::5', port: 6 },
      { host: '::9', port: 7 },
    ]);
  });

  test('a failure reason is told whatever the status, with its retry in (BEP 31)', async () => {
    body(encode({ 'failure reason': 'unregistered torrent', 'retry in': 5 }), 400);
    await expect(announce()).rejects.toMatchObject({
      kind: 'refused',
      message: 'unregistered torrent',
      retryInSeconds: 300,
    });
    body(encode({ 'failure reason': 'go away', 'retry in': 'never' }));
    await expect(announce()).rejects.toMatchObject({ kind: 'never' });
  });

  test('the rest is unreachable, and no error holds the passkey', async () => {
    const faults: (() => void)[] = [
      () => body(Buffer.from('<html>')),
      () => body(Buffer.from('<html>'), 502),
      () => body(encode({ interval: -5, peers })),
      () => body(encode({ interval: 5, peers: peers.subarray(1) })),
      () => body(Buffer.alloc(1024 * 1024 + 1)),
      () => {
        answer = (_, response) =>
          response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(2 ** 21)));
      },
      () => {
        answer = (_, response) => response.destroy();
      },
      () => {
        answer = (incoming, response) => response.writeHead(302, { location: incoming.url as string }).end();
      },
      () => {
        answer = (_, response) => response.writeHead(302, { location: `file:///${PASSKEY}` }).end();
      },
    ];
    for (const fault of faults) {
      fault();
      const error = await announce().catch((thrown) => thrown);
      expect(error).toMatchObject({ name: 'TrackerError', kind: 'unreachable' });
      expect(error.message).not.toContain(PASSKEY);
    }
    // One of them ends in a loop of redirects; one closes a kept connection, which is tried again on a new one.
    expect(seen.length).toBe(faults.length - 1 + 4 + 1);
  });

  test('words of a tracker that repeats its passkey are shown without it, also after a redirect and at the cut', async () => {
    const words = [
      `passkey ${PASSKEY} not found`,
      `no such user: ${encodeURIComponent(PASSKEY.toUpperCase())}`,
      `${'x '.repeat(145)}${PASSKEY}`,
    ];
    for (const reason of words) {
      body(encode({ 'failure reason': reason }));
      await expect(announce()).rejects.toSatisfy((error: Error) => !/0123456789|passkey-/i.test(error.message));
      body(encode({ 'warning message': reason }));
      expect((await announce()).warning).not.toMatch(/0123456789/);
    }
    answer = (incoming, response) =>
      incoming.url?.startsWith('/other') === true
        ? response.end(encode({ 'failure reason': 'key secondkey of user is unknown' }))
        : response.writeHead(302, { location: '/other?key=secondkey' }).end();
    await expect(announce()).rejects.toThrow('key … of user is unknown');
  });

  test('a silent tracker ends with the signal', async () => {
    answer = () => undefined;
    await expect(announce(AbortSignal.timeout(50))).rejects.toMatchObject({ kind: 'unreachable' });
  });

  test('private addresses are refused where they are not allowed, after a redirect too', async () => {
    const strict = new HttpTracker({ resolver: createResolver(false), userAgent: 'bae/0.1.0' });
    for (const host of ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '0x7f.1']) {
      const place = new URL(url);
      place.hostname = host;
      await expect(strict.announce(place, request, new AbortController().signal)).rejects.toThrow('private address');
    }
    expect(seen).toEqual([]);
    strict.close();
  });

  test('a switch to another protocol is told at once: neither a reply nor an error comes of it', async () => {
    const switching = createTcpServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.once('data', () =>
        socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'),
      );
    });
    await new Promise<void>((ready) => switching.listen(0, '127.0.0.1', ready));
    url = new URL(`http://127.0.0.1:${(switching.address() as AddressInfo).port}/${PASSKEY}/announce`);
    await expect(announce(AbortSignal.timeout(5_000))).rejects.toThrow('cannot be reached (broken reply)');
    await new Promise((closed) => switching.close(closed));
  });
});
