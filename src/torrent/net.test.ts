import { expect, it } from 'vitest';
import { systemNetwork } from './net.ts';
import type { Connection } from './ports.ts';

const CHUNK_BYTES = 64 * 1024;
const CHUNKS = 512;

/** Both ends of a connection over the system's loopback. */
async function connected(): Promise<{ here: Connection; there: Connection; close: () => Promise<void> }> {
  const came = Promise.withResolvers<Connection>();
  const { port, close } = await systemNetwork.listen('127.0.0.1', 0, (connection) => came.resolve(connection));
  const here = await systemNetwork.connect('127.0.0.1', port, 5_000);
  return { here, there: await came.promise, close };
}

it.each(['dialled', 'accepted'])('%s: what came is freed once it was handled, and comes whole', async (side) => {
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
  expect(kept.reduce((sum, one) => sum + one.length, 0)).toBeLessThan(64 * CHUNK_BYTES);
  sender.destroy();
  await close();
});
