// A tracker on a socket of this machine that answers with any bytes, and our announce to it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { createResolver, HttpTracker, TrackerError } from '../../src/torrent/discovery/index.ts';
import type { AnnounceReply, Resolver } from '../../src/torrent/discovery/ports.ts';
import { cut } from './parts.ts';

const SECRET = 'passkey-of-mine';
/** The connection is closed behind the reply: whoever waits longer than this waits for nothing. */
const MOST_MILLISECONDS = 5_000;

const REQUEST = {
  ...{ infoHash: Buffer.alloc(20), peerId: Buffer.alloc(20), key: 1, port: 1, trackerId: null },
  ...{ uploaded: 0, downloaded: 0, left: 0, event: null, wanted: 1 },
};

let server: Server | null = null;
let chunks: readonly Buffer[] = [];

/** The reply as our client reads it; null where it says no. */
export async function readHttpReply(input: Buffer): Promise<AnnounceReply | null> {
  const whole = await announced([input]);
  // However the network cuts it, it is the same reply.
  assert.deepEqual(await announced(cut(input)), whole);
  return whole;
}

export async function closeHttpServer(): Promise<void> {
  server?.close();
  server = null;
}

async function announced(answer: readonly Buffer[]): Promise<AnnounceReply | null> {
  server ??= await listen();
  chunks = answer;
  const { port } = server.address() as AddressInfo;
  const tracker = new HttpTracker({ resolver: onceOnly(), userAgent: 'bae/0', encryption: 'prefer' });
  const signal = AbortSignal.timeout(MOST_MILLISECONDS);
  try {
    return await tracker.announce(new URL(`http://127.0.0.1:${port}/announce?passkey=${SECRET}`), REQUEST, signal);
  } catch (error) {
    if (!(error instanceof TrackerError)) throw error;
    assert.ok(error.message.length > 0 && !error.message.includes(SECRET));
    assert.ok(!signal.aborted, 'it waited for more behind the end');
    return null;
  } finally {
    tracker.close();
  }
}

/** A redirect is read, and leads nowhere: nobody is to be spoken to but the server of this file. */
function onceOnly(): Resolver {
  const { lookup, resolve } = createResolver(true);
  let asked = 0;
  const refused = () => new TrackerError('unreachable', 'one address only');
  return {
    lookup,
    resolve: (host) => (asked++ === 0 ? resolve(host) : Promise.reject(refused())),
  };
}

async function listen(): Promise<Server> {
  const made = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', () => void answer(socket, chunks));
  });
  made.listen(0, '127.0.0.1');
  await once(made, 'listening');
  made.unref();
  return made;
}

async function answer(socket: Socket, parts: readonly Buffer[]): Promise<void> {
  socket.setNoDelay(true);
  for (const part of parts) {
    if (!socket.writable) return;
    socket.write(part);
    if (parts.length > 1) await setImmediate();
  }
  socket.end();
}
