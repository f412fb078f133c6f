import { rmSync } from 'node:fs';
import type { Server } from 'node:http';
import { createAdaptorServer } from '@hono/node-server';
import { SOCKET_PATH_BYTES } from '../lib/addresses.ts';
import { systemClock } from '../lib/clock.ts';
import { BaeError } from '../lib/errors.ts';

const HEADERS_MILLISECONDS = 10_000;
const REQUEST_MILLISECONDS = 60_000;
const CONNECTIONS = 200;
/** How long a stop waits for answers under way; a caller that goes on asking does not hold it up. */
const CLOSE_MILLISECONDS = 1_000;

/** By the system's code. */
const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use by another program: stop it, or choose another with BAE_LISTEN',
  EADDRNOTAVAIL: 'is not an address of this machine: choose another with BAE_LISTEN',
  ENOTFOUND: 'is not an address of this machine: choose another with BAE_LISTEN',
  EACCES: 'may not be listened on: choose a port from 1024 on with BAE_LISTEN',
};

interface Fetcher {
  fetch(request: Request, ...rest: unknown[]): Response | Promise<Response>;
}

export interface Listening {
  /** The TCP port, 0 for a socket. */
  readonly port: number;
  /** Takes no more calls, ends idle connections, waits for running ones. */
  close(): Promise<void>;
}

/** @throws BaeError refused when the address is taken or not ours */
export function listenTcp(app: Fetcher, host: string, port: number): Promise<Listening> {
  return listen(app, { host, port }, `${host}:${port}`);
}

/**
 * Listens on a socket that only this user can open (0600). What is left of an earlier run at that path is removed: the
 * caller holds the data folder's lock.
 * @throws BaeError refused when the path is too long for a socket
 */
export async function listenSocket(app: Fetcher, path: string): Promise<Listening> {
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES) {
    throw new BaeError(
      'refused',
      `The socket's path is over ${SOCKET_PATH_BYTES} bytes long (${path}): choose a shorter data folder with BAE_DATA.`,
    );
  }
  rmSync(path, { force: true });
  const before = process.umask(0o177);
  // The bind happens inside this call, so the socket is never open to others, not for a moment.
  const listening = listen(app, { path }, path);
  process.umask(before);
  return listening;
}

function listen(app: Fetcher, where: { host: string; port: number } | { path: string }, words: string) {
  const server = createAdaptorServer({ fetch: (request) => app.fetch(request) }) as Server;
  server.headersTimeout = HEADERS_MILLISECONDS;
  server.requestTimeout = REQUEST_MILLISECONDS;
  server.maxConnections = CONNECTIONS;
  return new Promise<Listening>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const reason = REASONS[cause.code ?? ''] ?? `cannot be listened on (${cause.code})`;
      reject(new BaeError('refused', `${words} ${reason}.`, { cause }));
    });
    server.listen(where, () => {
      const address = server.address();
      resolve({
        port: typeof address === 'object' && address !== null ? address.port : 0,
        close: () => closeServer(server),
      });
    });
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((closed) => {
    const timer = systemClock.after(CLOSE_MILLISECONDS, () => server.closeAllConnections());
    server.close(() => {
      timer.cancel();
      closed();
    });
    server.closeIdleConnections();
  });
}
