// An honest peer in a thread of its own: downloads a torrent again and again at a steady pace, compares every block, and
// looks meanwhile how soon the server answers a call over its socket.
import { request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { systemNetwork } from '../../src/torrent/index.ts';
import { BLOCK_BYTES, type Message } from '../../src/torrent/wire/index.ts';
import { RawPeer } from '../simulation/raw-peer.ts';

export interface HonestOptions {
  /** Of the server; 127.0.0.1 by default. */
  readonly host?: string;
  readonly port: number;
  readonly infoHash: Uint8Array;
  readonly content: Uint8Array;
  readonly pieceLength: number;
  /** Its line: it never asks for more. */
  readonly bytesPerSecond: number;
  /** The server's Unix socket. */
  readonly socketPath: string;
}

/** What happened since the last report. */
export interface HonestReport {
  readonly milliseconds: number;
  readonly bytes: number;
  readonly wrongBlocks: number;
  readonly closed: boolean;
  /** How long calls took that ended. */
  readonly calls: readonly number[];
}

const REPORT_MILLISECONDS = 100;
const CALL_PAUSE_MILLISECONDS = 30;
/** How far ahead it asks, in time of its pace. */
const AHEAD_MILLISECONDS = 300;

const options = workerData as HonestOptions;
const content = Buffer.from(options.content);
const blocks = Math.floor(content.length / BLOCK_BYTES);
let bytes = 0;
let wrongBlocks = 0;
let asked = 0;
let got = 0;
let calls: number[] = [];

function take(message: Message): void {
  if (message.type === 'reject') got++;
  if (message.type !== 'piece') return;
  got++;
  bytes += message.data.length;
  const at = message.index * options.pieceLength + message.begin;
  if (!message.data.equals(content.subarray(at, at + BLOCK_BYTES))) wrongBlocks++;
}

function ask(peer: RawPeer): void {
  const most = (options.bytesPerSecond * AHEAD_MILLISECONDS) / 1_000 / BLOCK_BYTES;
  const pace = (options.bytesPerSecond * REPORT_MILLISECONDS) / 1_000 / BLOCK_BYTES;
  for (let count = 0; count < pace && asked - got < most; count++) {
    const offset = (asked++ % blocks) * BLOCK_BYTES;
    const index = Math.floor(offset / options.pieceLength);
    peer.send({ type: 'request', index, begin: offset - index * options.pieceLength, length: BLOCK_BYTES });
  }
}

function call(): Promise<void> {
  const began = performance.now();
  return new Promise((resolve) => {
    const path = { socketPath: options.socketPath, path: '/livez', headers: { host: 'localhost' } };
    const end = () => {
      calls.push(performance.now() - began);
      resolve();
    };
    request(path, (reply) => reply.resume().on('end', end))
      .on('error', end)
      .end();
  });
}

async function keepCalling(): Promise<never> {
  for (;;) {
    await call();
    await delay(CALL_PAUSE_MILLISECONDS);
  }
}

const peer = await RawPeer.dial(systemNetwork, options.host ?? '127.0.0.1', options.port, {
  infoHash: Buffer.from(options.infoHash),
  peerId: Buffer.from('-XX0001-honesthonest'),
  take,
});
peer.send({ type: 'haveNone' }, { type: 'interested' });
void keepCalling();
for (let last = performance.now(); ; ) {
  await delay(REPORT_MILLISECONDS);
  ask(peer);
  const now = performance.now();
  const report: HonestReport = { milliseconds: now - last, bytes, wrongBlocks, closed: peer.closed, calls };
  [last, bytes, calls] = [now, 0, []];
  parentPort?.postMessage(report);
}
