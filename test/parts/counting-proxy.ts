// Stands between a leecher and bae and counts the payload that bae's system sent: what "served" means, byte by byte.
import { createConnection, createServer, type Socket } from 'node:net';
import { freshLoopback } from './addresses.ts';

const HANDSHAKE_BYTES = 68;
const PIECE_ID = 7;
/** Message id, index and begin. */
const PIECE_HEADER_BYTES = 9;

/** Payload of the piece messages (BEP 3) in one side's plain stream, of the last one as far as it came. */
export class PayloadCounter {
  bytes = 0;
  #skip = HANDSHAKE_BYTES;
  /** Of the piece message under way. */
  #payload = 0;
  #rest: Buffer = Buffer.alloc(0);

  take(data: Buffer): void {
    let bytes = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data]);
    for (;;) {
      const skipped = Math.min(this.#skip, bytes.length);
      this.#skip -= skipped;
      bytes = bytes.subarray(skipped);
      const counted = Math.min(this.#payload, bytes.length);
      this.#payload -= counted;
      this.bytes += counted;
      bytes = bytes.subarray(counted);
      if (this.#skip > 0 || this.#payload > 0 || !this.#next(bytes)) break;
      bytes = bytes.subarray(4);
    }
    this.#rest = Buffer.from(bytes);
  }

  /** Reads the prefix of the next message; false when it is not whole. */
  #next(bytes: Buffer): boolean {
    if (bytes.length < 5) return bytes.length === 4 && bytes.readUInt32BE(0) === 0;
    const length = bytes.readUInt32BE(0);
    const isPiece = length > 0 && bytes[4] === PIECE_ID;
    this.#skip = isPiece ? PIECE_HEADER_BYTES : length;
    this.#payload = isPiece ? length - PIECE_HEADER_BYTES : 0;
    return true;
  }
}

export interface CountingProxy {
  /** `host:port` for the leecher to dial. */
  readonly address: string;
  /** Payload that came from the target, over all connections. */
  payloadBytes(): number;
  stop(): Promise<void>;
}

/**
 * Forwards what dials it to a port of 127.0.0.1. Reads the target as fast as it sends, whatever the leecher takes. It is at an
 * address of its own and at the target's port: a leecher learns bae's port (BEP 10 `p`) and comes back to that.
 */
export async function startCountingProxy(targetPort: number): Promise<CountingProxy> {
  const host = freshLoopback();
  const counters: PayloadCounter[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((leecher) => {
    const target = createConnection(targetPort, '127.0.0.1');
    const counter = new PayloadCounter();
    counters.push(counter);
    target.on('data', (data) => {
      counter.take(data);
      leecher.write(data);
    });
    leecher.on('data', (data) => target.write(data));
    for (const [one, other] of [
      [target, leecher],
      [leecher, target],
    ] as const) {
      sockets.add(one);
      one.on('error', () => undefined);
      one.on('close', () => {
        sockets.delete(one);
        other.end();
      });
    }
  });
  await new Promise<void>((ready) => server.listen(targetPort, host, ready));
  return {
    address: `${host}:${targetPort}`,
    payloadBytes: () => counters.reduce((sum, { bytes }) => sum + bytes, 0),
    stop: () =>
      new Promise((stopped) => {
        server.close(() => stopped());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
