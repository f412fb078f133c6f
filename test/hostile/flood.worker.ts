// Peers in a thread of their own that send one thing again and again, as fast as the server takes it; tells how many bytes so far.
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { encodeHandshake } from '../../src/torrent/wire/index.ts';

export interface FloodOptions {
  readonly port: number;
  readonly infoHash: Uint8Array;
  readonly peers: number;
  /** Sent once, before. */
  readonly first: Uint8Array;
  readonly again: Uint8Array;
  /** They read what they are sent. */
  readonly reads: boolean;
}

const REPORT_MILLISECONDS = 50;
const options = workerData as FloodOptions;
let sentBytes = 0;

function flood(number: number): void {
  const socket = connect(options.port, '127.0.0.1');
  // A reset is an answer too.
  socket.on('error', () => undefined);
  socket.on('data', () => undefined);
  socket.on('connect', async () => {
    const peerId = Buffer.from(`-XX0001-${String(number).padStart(12, '0')}`);
    const features = { extended: true, fast: true, dht: false };
    socket.write(encodeHandshake({ infoHash: Buffer.from(options.infoHash), peerId, features }));
    socket.write(options.first);
    await delay(200);
    if (!options.reads) socket.pause();
    const more = () => {
      while (!socket.destroyed && socket.write(options.again)) sentBytes += options.again.length;
    };
    socket.on('drain', more);
    more();
  });
}

for (let number = 0; number < options.peers; number++) flood(number);
setInterval(() => parentPort?.postMessage(sentBytes), REPORT_MILLISECONDS);
