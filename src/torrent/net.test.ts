import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemNetwork } from './net.ts';
import type { Connection } from './ports.ts';

const CHUNK_BYTES = 64 * 1024;
const CHUNKS = 512;
/** More than the system takes while nobody reads. */
const MUCH = Buffer.alloc(64 * 2 ** 20);

/** Both ends of a connection over the system's loopback. */
async function connected(): Promise<{ here: Connection; there: Connection; close: () => Promise<void> }> {
  const came = Promise.withResolvers<Connection>();
  const { port, close } = await systemNetwork.listen('127.0.0.1', 0, (connection) => came.resolve(connection));
  const here = await systemNetwork.connect('127.0.0.1', port, 5_000);
  return { here, there: await came.promise, close };
}

it.each(['dialled', 'accepted'])('%s: what came takes no memory once it was handled, and comes whole', async (side) => {
  const { here, there, close } = await connected();
  const [receiver, sender] = side === 'dialled' ? [here, there] : [there, here];
  const done = Promise.withResolvers<void>();
  const kept: Buffer[] = [];
  let bytes = 0;
  let wrong = 0;
  receiver.handlers = {
    data(chunk) {
      for (const byte of chunk) wrong += byte === 0x5a ? 0 : 1;
      bytes += chunk.length;
      kept.push(chunk);
      if (bytes === CHUNKS * CHUNK_BYTES) setImmediate(done.resolve);
    },
    drained: () => undefined,
    closed: () => done.reject(new Error('closed')),
  };
  sender.handlers = { data: () => undefined, drained: () => undefined, closed: () => undefined };
  const chunk = Buffer.alloc(CHUNK_BYTES, 0x5a);
  for (let count = 0; count < CHUNKS; count++) sender.write([chunk]);
  await done.promise;
  expect(wrong).toBe(0);
  const memory = new Set(kept.map((one) => one.buffer));
  expect([...memory].reduce((sum, one) => sum + one.byteLength, 0)).toBeLessThan(64 * CHUNK_BYTES);
  sender.destroy();
  await close();
});

describe('what was written', () => {
  let server: Server;
  let peer: Promise<Socket>;
  let connection: Connection;
  let told: string[];

  beforeEach(async () => {
    const came = Promise.withResolvers<Socket>();
    peer = came.promise;
    server = createServer({ pauseOnConnect: true }, (socket) => came.resolve(socket.on('error', () => undefined)));
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
    const address = server.address();
    connection = await systemNetwork.connect(
      '127.0.0.1',
      typeof address === 'object' ? (address?.port ?? 0) : 0,
      5_000,
    );
    told = [];
  });
  afterEach(async () => {
    connection.destroy();
    (await peer).destroy();
    await new Promise((closed) => server.close(closed));
  });

  const handle = () =>
    new Promise<void>((ended) => {
      connection.handlers = {
        data: () => undefined,
        drained: () => undefined,
        closed: () => {
          told.push('closed');
          setImmediate(ended);
        },
      };
    });

  it('what the system did not take is not counted: the end is told before the buffers come back', async () => {
    const ended = handle();
    connection.write([MUCH, MUCH], () => told.push('written'));
    (await peer).resetAndDestroy();
    await ended;
    connection.write([MUCH], () => told.push('written late'));
    expect(told).toEqual(['closed', 'written', 'written late']);
  });

  it('so it is when this side ends it', async () => {
    const ended = handle();
    connection.write([MUCH, MUCH], () => told.push('written'));
    connection.destroy();
    connection.write([MUCH], () => told.push('written after'));
    await ended;
    expect(told[0]).toBe('closed');
    expect(told.slice(1).sort()).toEqual(['written', 'written after']);
  });

  it('what it took is told at once', async () => {
    void handle();
    await new Promise<void>((written) => connection.write([Buffer.from('a'), Buffer.from('b')], written));
    expect(told).toEqual([]);
  });
});
