// Peers that only shake hands, and a tracker that only counts.
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';

const HANDSHAKE_BYTES = 68;
const WAIT_MILLISECONDS = 10_000;
const BITFIELD = 5;
const HAVE_ALL = 14;

/** BEP 3's handshake, with the extension protocol and the fast extension. */
function handshake(infoHash: Buffer): Buffer {
  const reserved = Buffer.from([0, 0, 0, 0, 0, 0x10, 0, 0x04]);
  const peerId = Buffer.concat([Buffer.from('-XX0001-'), randomBytes(12)]);
  return Buffer.concat([Buffer.from([19]), Buffer.from('BitTorrent protocol'), reserved, infoHash, peerId]);
}

/** Whether all pieces were told: a bitfield or have-all is among the messages behind the handshake. */
function hasPieces(bytes: Buffer): boolean {
  for (let at = HANDSHAKE_BYTES; at + 5 <= bytes.length; at += 4 + bytes.readUInt32BE(at)) {
    const type = bytes[at + 4];
    if (type === BITFIELD || type === HAVE_ALL) return true;
  }
  return false;
}

/** Connects and shakes hands; milliseconds from the handshake sent to the bitfield there, or null when it was hung up. */
export function shake(port: number, infoHash: Buffer | null): Promise<number | null> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    let began = 0;
    let got = Buffer.alloc(0);
    const end = (answer: number | null) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(WAIT_MILLISECONDS, () => end(null));
    socket.on('connect', () => {
      began = performance.now();
      if (infoHash === null) socket.end();
      else socket.write(handshake(infoHash));
    });
    socket.on('data', (chunk: Buffer) => {
      got = Buffer.concat([got, chunk]);
      if (hasPieces(got)) end(performance.now() - began);
    });
    socket.on('error', () => end(null));
    socket.on('close', () => end(null));
  });
}

export interface CountingTracker {
  readonly url: string;
  announces: number;
  /** Told with every answer from now on. */
  intervalSeconds: number;
  stop(): void;
}

/** Answers every announce with an interval and no peers. */
export function startCountingTracker(intervalSeconds: number): Promise<CountingTracker> {
  const server = createServer((_request, response) => {
    tracker.announces++;
    response.end(`d8:completei1e10:incompletei0e8:intervali${tracker.intervalSeconds}e5:peers0:e`);
  });
  const tracker = { url: '', announces: 0, intervalSeconds, stop: () => void server.close().closeAllConnections() };
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => {
      tracker.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/secret/announce`;
      resolve(tracker);
    }),
  );
}
