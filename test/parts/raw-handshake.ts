// A peer made of bytes alone: what bae says first, as it is on the wire.
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const PROTOCOL = Buffer.from('\x13BitTorrent protocol', 'latin1');
const HANDSHAKE_BYTES = 68;
/** Extensions (BEP 10), fast (BEP 6), DHT (BEP 5). */
const EVERYTHING = Buffer.from([0, 0, 0, 0, 0, 0x10, 0, 0x05]);
const LISTEN_MILLISECONDS = 2_000;

/** Greets bae on 127.0.0.1 and says `messages`; returns its reserved bytes and its messages of the next two seconds. */
export async function rawHandshake(options: { port: number; infoHash: string; messages?: readonly Buffer[] }) {
  const socket = connect(options.port, '127.0.0.1');
  const parts: Buffer[] = [];
  socket.on('data', (data) => parts.push(data));
  socket.on('error', () => undefined);
  const peerId = Buffer.concat([Buffer.from('-XX0000-'), randomBytes(12)]);
  socket.write(Buffer.concat([PROTOCOL, EVERYTHING, Buffer.from(options.infoHash, 'hex'), peerId]));
  for (const message of options.messages ?? []) socket.write(message);
  await delay(LISTEN_MILLISECONDS);
  socket.destroy();
  const bytes = Buffer.concat(parts);
  const messages: Buffer[] = [];
  for (let at = HANDSHAKE_BYTES; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    messages.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return { reserved: bytes.subarray(20, 28), messages };
}

/** An extended message (BEP 10) with its length prefix. */
export function extendedMessage(id: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(6);
  head.writeUInt32BE(2 + payload.length);
  head[4] = 20;
  head[5] = id;
  return Buffer.concat([head, payload]);
}
