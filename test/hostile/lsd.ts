// Malformed announces on the local network (BEP 14), and floods of them.
import { createSocket, type Socket } from 'node:dgram';
import { setTimeout as delay } from 'node:timers/promises';
import { type Ground, type GroundAttack, OPEN_PORT } from './ground.ts';
import { DIALS_PER_SECOND } from './limits.ts';

export const LSD_GROUP = '239.192.152.143';
export const LSD_PORT = 6_771;
const FLOOD = 10_000;
const FLOODING = 100;
const FIRST = 'BT-SEARCH * HTTP/1.1';

interface Parts {
  readonly first?: string;
  readonly host?: string;
  readonly port?: string;
  readonly hashes?: readonly string[];
  readonly more?: readonly string[];
  readonly end?: string;
  readonly line?: string;
}

function packet(hash: string, parts: Parts = {}): Buffer {
  const { first = FIRST, host = `${LSD_GROUP}:${LSD_PORT}`, port = String(OPEN_PORT), hashes = [hash] } = parts;
  const { more = [], end = '\r\n\r\n\r\n', line = '\r\n' } = parts;
  const lines = [first, `Host: ${host}`, `Port: ${port}`, ...hashes.map((one) => `Infohash: ${one}`), ...more];
  return Buffer.from(`${lines.join(line)}${end}`, 'latin1');
}

/** Odd, and to be understood all the same. */
const odd = (hash: string): Buffer[] => [
  packet(hash),
  packet(hash, { host: '[ff15::efc0:988f]:6771' }),
  packet(hash.toUpperCase(), { host: 'x'.repeat(900) }),
  packet(hash, { hashes: [...Array.from({ length: 23 }, (_, at) => String(at).padStart(40, '0')), hash] }),
  packet(hash, { more: ['X-Other: 1', 'Port-Of: 2'] }),
  packet(hash, { hashes: Array.from({ length: 24 }, () => hash) }),
];

/** Each wrong in one way; `cookie` is the server's own. */
const wrong = (hash: string, cookie: string): Buffer[] => [
  ...['', '0', '-1', '65536', '99999999999', '7000x', '0x1b58', '7000 7000'].map((port) => packet(hash, { port })),
  packet(hash, { more: [`Port: ${OPEN_PORT}`] }),
  packet(hash, { first: 'BT-SEARCH * HTTP/1.0' }),
  packet(hash, { first: 'bt-search * http/1.1' }),
  packet(hash, { first: '' }),
  packet(hash, { hashes: [] }),
  ...[hash.slice(1), `${hash}0`, `g${hash.slice(1)}`, ` ${hash.slice(2)}`, ''].map((one) =>
    packet(hash, { hashes: [hash, one] }),
  ),
  packet(hash, { more: ['no colon here'] }),
  packet(hash, { more: [': nothing before it'] }),
  packet(hash, { more: ['A b: c'] }),
  packet(hash, { more: ['X: \x00\x01\x7f\xff'] }),
  packet(hash, { more: [`cookie: ${cookie}`] }),
  packet(hash, { more: [`cookie: ${'c'.repeat(65)}`] }),
  packet(hash, { more: ['cookie: a', 'cookie: b'] }),
  packet(hash, { more: [`X: ${'y'.repeat(1_400)}`] }),
  packet(hash, { hashes: Array.from({ length: 1_000 }, () => hash) }),
  packet(hash, { end: '' }),
  packet(hash, { end: '\r\n' }),
  packet(hash, { end: '\r\n\r\nmore' }),
  packet(hash, { line: '\n', end: '\n\n' }),
  packet(hash, { line: '\r' }),
  Buffer.concat([packet(hash), Buffer.alloc(1)]),
  Buffer.alloc(0),
  Buffer.alloc(60_000, 'A'),
  Buffer.alloc(1_400, 0xff),
];

/** A socket that announces from such an address. */
function speaker(address: string, near: string): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.on('error', () => undefined);
  return new Promise((resolve) => {
    socket.bind(LSD_PORT, address, () => {
      socket.setMulticastInterface(near);
      resolve(socket);
    });
  });
}

const send = (socket: Socket, bytes: Buffer) =>
  new Promise<void>((resolve) => socket.send(bytes, LSD_PORT, LSD_GROUP, () => resolve()));

/** Each packet from an address of its own below `prefix`. */
async function sayAll(packets: readonly Buffer[], prefix: string, near: string): Promise<void> {
  for (const [at, one] of packets.entries()) {
    const socket = await speaker(`${prefix}.${at}.1`, near);
    await send(socket, one);
    socket.close();
    // Slower than the server reads, so that each is read.
    await delay(30);
  }
}

async function run({ hashes, near, cookie, dials }: Ground) {
  const hash = hashes.lsd.toString('hex');
  await sayAll([packet(hashes.private.toString('hex'))], '20.122', near);
  await sayAll(wrong(hash, cookie), '20.121', near);
  const good = odd(hash);
  await sayAll(good, '20.120', near);
  await delay(1_500);
  const heard = new Set(dials.to('20.120')).size;
  const speakers = await Promise.all(Array.from({ length: FLOODING }, (_, at) => speaker(`20.123.${at}.1`, near)));
  for (let count = 0; count < FLOOD; count++)
    await send(speakers[count % FLOODING] as Socket, good[count % 6] as Buffer);
  await delay(1_500);
  for (const socket of speakers) socket.close();
  const seconds = (performance.now() - dials.since) / 1_000;
  process.stderr.write(`${dials.all.length} dials in ${seconds.toFixed(1)} s\n`);
  return [
    ['what is odd is understood', heard === good.length],
    ['what is wrong is not, nor what has our own cookie', dials.to('20.121').length === 0],
    ['nor is the private torrent spoken of', dials.to('20.122').length === 0],
    ['a flood is heard', dials.to('20.123').length > 0],
    ['and brings no more dials than may be', dials.all.length <= DIALS_PER_SECOND * (seconds + 1)],
  ] as const;
}

export const LSD_ATTACK: GroundAttack = { name: 'malformed announces on the local network', strangers: FLOODING, run };
