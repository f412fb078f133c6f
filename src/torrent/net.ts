import { createConnection, createServer, isIPv6, type Server, type Socket } from 'node:net';
import { BaeError } from '../lib/errors.ts';
import { freeMemory } from '../lib/memory.ts';
import type { Connection, ConnectionHandlers, Network } from './ports.ts';

/** Connections the system may keep waiting for us to accept. */
const BACKLOG = 511;
/** Chunks of at least this are freed once they are handled: a download brings thousands of them a second. */
const FREED_BYTES = 8_192;
/**
 * What a dialled peer sends is read into this, whoever it is, since it is handled before anything else can be read: no memory
 * is made for it and no page of it is cold. Node offers this for dialled connections only.
 */
const received = Buffer.allocUnsafeSlow(128 * 1024);

/** TCP over node:net: no delay, many buffers as one writev. */
export const systemNetwork: Network = {
  connect(host, port, timeoutMilliseconds, localAddress) {
    return new Promise((resolve, reject) => {
      const from = localAddress === undefined ? {} : { localAddress };
      let connection: TcpConnection | null = null;
      const callback = (bytes: number) => {
        connection?.handlers?.data(received.subarray(0, bytes));
        return true;
      };
      const onread = { buffer: received, callback };
      const socket = createConnection({ host, port, noDelay: true, timeout: timeoutMilliseconds, onread, ...from });
      // Nothing is read before somebody takes it.
      socket.pause();
      const fail = (why: string) => {
        socket.destroy();
        reject(new BaeError('unavailable', `${host} port ${port} cannot be reached (${why}).`));
      };
      const failed = (error: NodeJS.ErrnoException) => fail(error.code ?? error.message);
      socket.once('error', failed);
      socket.once('timeout', () => fail('no answer in time'));
      socket.once('connect', () => {
        socket.setTimeout(0);
        socket.removeAllListeners('timeout');
        socket.removeListener('error', failed);
        connection = new TcpConnection(socket, host, port);
        resolve(connection);
      });
    });
  },

  listen(host, port, accept) {
    return new Promise((resolve, reject) => {
      const server = createServer({ noDelay: true, pauseOnConnect: true }, (socket) => {
        const { remoteAddress, remotePort } = socket;
        // A peer that is gone already has no address.
        if (remoteAddress === undefined || remotePort === undefined) socket.destroy();
        else accept(new TcpConnection(socket, plainAddress(remoteAddress), remotePort));
      });
      server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(host, port, error)));
      server.listen({ host, port, backlog: BACKLOG, ipv6Only: isIPv6(host) }, () => {
        const address = server.address();
        if (address === null || typeof address === 'string') throw new Error('a TCP server without a port');
        resolve({ port: address.port, close: () => closeServer(server) });
      });
    });
  },
};

function listenError(host: string, port: number, error: NodeJS.ErrnoException): BaeError {
  const why: Record<string, string> = {
    EADDRINUSE: 'it is in use by another program; stop that, or choose another port with BAE_PEER_PORT',
    EADDRNOTAVAIL: 'this machine does not have that address; choose another with BAE_PEER_ADDRESS',
    ENOTFOUND: 'there is no such address; choose another with BAE_PEER_ADDRESS',
    EACCES: 'the system does not allow it; choose another port with BAE_PEER_PORT',
  };
  const text = `Peers cannot be listened for on ${host} port ${port}: ${why[error.code ?? ''] ?? error.message}.`;
  return new BaeError('refused', text, { cause: error });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

/** An IPv4 peer of a dual-stack socket as what it is. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

class TcpConnection implements Connection {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly #socket: Socket;
  #handlers: ConnectionHandlers | null = null;
  #error: Error | undefined;
  #isClosed = false;
  /** What is told of writes that failed, once the end has been told. */
  readonly #afterClose: (() => void)[] = [];

  constructor(socket: Socket, remoteAddress: string, remotePort: number) {
    this.#socket = socket;
    this.remoteAddress = remoteAddress;
    this.remotePort = remotePort;
    // An error is always followed by close; it may come before there are handlers.
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('close', () => {
      this.#isClosed = true;
      this.#handlers?.closed(this.#error);
      for (const written of this.#afterClose.splice(0)) written();
    });
  }

  get handlers(): ConnectionHandlers | null {
    return this.#handlers;
  }

  set handlers(handlers: ConnectionHandlers | null) {
    const first = this.#handlers === null;
    this.#handlers = handlers;
    if (!first || handlers === null) return;
    const socket = this.#socket;
    socket.on('data', (chunk: Buffer) => {
      this.#handlers?.data(chunk);
      if (chunk.length >= FREED_BYTES) freeMemory(chunk);
    });
    socket.on('drain', () => this.#handlers?.drained());
    // The peer's half-close is an end for us too: nobody downloads from one who cannot ask.
    socket.on('end', () => socket.destroy());
    if (socket.destroyed) process.nextTick(() => this.#handlers?.closed(this.#error));
    else socket.resume();
  }

  get queuedBytes(): number {
    return this.#socket.writableLength;
  }

  write(buffers: readonly Buffer[], written?: () => void): void {
    const socket = this.#socket;
    const last = buffers.length - 1;
    if (last < 0 || socket.destroyed) {
      if (written !== undefined) this.#done(last >= 0, written);
      return;
    }
    if (last > 0) socket.cork();
    for (let at = 0; at < last; at++) socket.write(buffers[at] as Buffer);
    socket.write(buffers[last] as Buffer, written && ((error) => this.#done(error != null, written)));
    if (last > 0) socket.uncork();
  }

  /**
   * The system is done with what was written, with an error too. Then it has not taken it all, and that the connection is
   * at its end is told first, so that nobody counts the bytes as sent.
   */
  #done(hasFailed: boolean, written: () => void): void {
    if (hasFailed && !this.#isClosed) this.#afterClose.push(written);
    else written();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
