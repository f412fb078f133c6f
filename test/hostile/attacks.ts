// What strangers may send to a server that seeds. Each attack lasts as long as `lasts` takes.
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { encode } from '../../src/torrent/metainfo/index.ts';
import {
  BLOCK_BYTES,
  encodeExtended,
  encodeExtensionHandshake,
  encodeMessage,
  encodeMetadataRequest,
  encodeRequest,
  type Message,
} from '../../src/torrent/wire/index.ts';
import { corpusOf } from '../fuzz/corpus.ts';
import { Feed } from '../fuzz/feed.ts';
import { WIRE } from '../fuzz/wire.ts';
import type { Attacker, Crowd } from './crowd.ts';
import { PEER_HELD_BYTES } from './limits.ts';

export interface Field {
  readonly crowd: Crowd;
  /** Torrents to attack; the honest peer has another. */
  readonly hashes: readonly Buffer[];
  readonly pieceLength: number;
  readonly pieceCount: number;
  /** Of each info dictionary. */
  readonly metadataBytes: number;
  /** How many peers the server says it has, and what memory blocks under way to them hold … */
  held(): Promise<{ readonly peers: number; readonly leasedBytes: number }>;
  /** … which is never to be more. */
  readonly leaseBudgetBytes: number;
}

export interface Attack {
  readonly name: string;
  /** Comes before, unmeasured: until the system's own buffers are full, who never reads is served like anybody. */
  prepare?(field: Field): Promise<void>;
  /** What is to be true in the end, in words, and whether it is. */
  run(field: Field): Promise<readonly (readonly [string, boolean])[]>;
}

const SEGMENT_BYTES = 262_144;
const QUEUED_REQUESTS = 2_000;
/** The server's bound of one connection: what is under way to it, and once more for what it may still answer. */
const SEND_BYTES = 2 * 512 * 1024;
const SEGMENT_ROUNDS = 40;
const INTERESTED: readonly Message[] = [{ type: 'haveNone' }, { type: 'interested' }];
const METADATA_ID = 2;
/** What 80 connections take to fill the system's buffers, some MiB each, on a busy machine. */
const FILL_MILLISECONDS = 6_000;

const request = (index: number, begin: number, length = BLOCK_BYTES): Message => ({
  type: 'request',
  index,
  begin,
  length,
});
const repeated = (bytes: Buffer, times: number) => Buffer.alloc(bytes.length * times, bytes);

/** So many peers, spread over the torrents. */
async function spread({ crowd, hashes }: Field, count: number, ...messages: readonly Message[]): Promise<Attacker[]> {
  const each = Math.ceil(count / hashes.length);
  const groups = await Promise.all(hashes.map((hash) => crowd.greet(each, hash, ...messages)));
  return groups.flat();
}

async function sendAll(attackers: readonly Attacker[], bytes: (at: number) => Buffer): Promise<void> {
  for (const [at, { socket }] of attackers.entries()) {
    socket.write(bytes(at));
    if (at % 10 === 9) await delay(1);
  }
}

const allClosed = (attackers: readonly Attacker[]) =>
  ['all are sent away', attackers.every(({ closed }) => closed)] as const;
const noneClosed = (attackers: readonly Attacker[]) =>
  ['nobody is sent away for it', attackers.every(({ closed }) => !closed)] as const;

/** What peers that never read make the server hold for them; some may have been sent away for it before. */
async function lentBytes({ crowd, held, leaseBudgetBytes }: Field) {
  const seen: number[] = [];
  for (let count = 0; count < 60; count++) {
    await delay(100);
    seen.push((await held()).leasedBytes);
  }
  const { peers } = await held();
  const [most, last] = [Math.max(...seen), seen.at(-1) as number];
  process.stderr.write(
    `${peers} peers hold up to ${(most / 1e6).toFixed(1)} MB, ${(last / 1e6).toFixed(1)} in the end\n`,
  );
  return [
    ['blocks are held for who never reads, or it is sent away for it', most > 0 || peers <= crowd.all.length],
    ['what they hold is in its budget', most <= leaseBudgetBytes],
    ['and in the half of it once they are late', last <= leaseBudgetBytes / 2 + PEER_HELD_BYTES],
  ] as const;
}

/** Every block of the torrent, as far as a queue takes. */
export function everyBlock({ pieceCount, pieceLength }: Pick<Field, 'pieceCount' | 'pieceLength'>): Message[] {
  const blocks: Message[] = [];
  for (let index = 0; index < pieceCount; index++) {
    for (let begin = 0; begin < pieceLength; begin += BLOCK_BYTES) blocks.push(request(index, begin));
  }
  return blocks.slice(0, QUEUED_REQUESTS);
}

/** Whatever the parsers of the wire were ever broken with, and what can be drawn. */
function nastyMessages(count: number): Buffer[] {
  const drawn = WIRE.find(({ name }) => name === 'messages')?.drawn ?? fc.constant(Buffer.alloc(0));
  const kept = corpusOf('messages').map(({ input }) => input);
  const feed = new Feed(drawn, kept, Math.floor(Math.random() * 2 ** 31));
  return Array.from({ length: count }, () => feed.next());
}

export const ATTACKS: readonly Attack[] = [
  {
    name: 'a length prefix of 0x7fffffff from 200 peers',
    async run(field) {
      const attackers = await spread(field, 200);
      await sendAll(attackers, () => Buffer.concat([Buffer.of(0x7f, 0xff, 0xff, 0xff), Buffer.alloc(1_000)]));
      await delay(1_500);
      return [allClosed(attackers)];
    },
  },
  {
    name: 'requests with overflowing index, begin and length, and of no bytes, from 200 peers',
    async run(field) {
      const attackers = await spread(field, 200, ...INTERESTED);
      const most = 0xffff_ffff;
      const impossible = [
        request(most, 0),
        request(0, most),
        request(0, 0, most),
        request(most, most, most),
        request(field.pieceCount - 1, field.pieceLength - 1),
        request(0, 0, 0),
        request(0x8000_0000, 0x8000_0000),
        request(0, 0, BLOCK_BYTES + 1),
      ];
      const all = Buffer.concat(impossible.map(encodeMessage));
      await sendAll(attackers, () => repeated(all, 10));
      await delay(1_500);
      return [allClosed(attackers)];
    },
  },
  {
    name: 'a million requests for one block, by one who never reads',
    async run(field) {
      const [attacker] = (await field.crowd.greet(1, field.hashes[0] as Buffer, ...INTERESTED)) as [Attacker];
      await delay(200);
      attacker.socket.pause();
      const before = attacker.received;
      for (let count = 0; count < 100; count++)
        attacker.socket.write(repeated(encodeRequest(0, 0, BLOCK_BYTES), 10_000));
      await delay(2_500);
      return [['no more is read for it than it may have under way', attacker.received - before < SEND_BYTES]];
    },
  },
  {
    name: 'a flood of choke, interest and have, from 20 peers',
    async run(field) {
      const attackers = await spread(field, 20, { type: 'haveNone' });
      const storm: Message[] = [
        ...(['choke', 'unchoke', 'interested', 'notInterested'] as const).map((type): Message => ({ type })),
        { type: 'have', index: 1 },
      ];
      const once = repeated(Buffer.concat(storm.map(encodeMessage)), 2_000);
      for (let round = 0; round < 10; round++) {
        await sendAll(attackers, () => once);
        await delay(100);
      }
      await delay(1_000);
      return [noneClosed(attackers)];
    },
  },
  {
    name: 'full queues of 200 peers that never read',
    async prepare(field) {
      const attackers = await spread(field, 200, ...INTERESTED);
      await delay(500);
      for (const { socket } of attackers) socket.pause();
      const all = Buffer.concat(everyBlock(field).map(encodeMessage));
      await sendAll(attackers, () => all);
      await delay(FILL_MILLISECONDS);
    },
    run: lentBytes,
  },
  {
    name: '32 blocks of 32 segments, asked for by 200 peers that never read',
    async prepare(field) {
      const attackers = await spread(field, 200, ...INTERESTED);
      await delay(500);
      for (const { socket } of attackers) socket.pause();
      const total = field.pieceCount * field.pieceLength;
      const scattered = Array.from({ length: 32 }, (_, segment) => {
        const offset = (segment * SEGMENT_BYTES) % total;
        return request(Math.floor(offset / field.pieceLength), offset % field.pieceLength);
      });
      const all = Buffer.concat(scattered.map(encodeMessage));
      // Again and again, since the system's buffers take some rounds of it.
      for (let round = 0; round < SEGMENT_ROUNDS; round++) {
        await sendAll(attackers, () => all);
        await delay(FILL_MILLISECONDS / SEGMENT_ROUNDS);
      }
    },
    run: lentBytes,
  },
  {
    name: 'malformed extension handshakes and bencode, from 200 peers',
    async run(field) {
      const attackers = await spread(field, 200);
      const payloads = ['extension-handshake', 'bencode'].flatMap((name) => corpusOf(name).map(({ input }) => input));
      const deep = Buffer.from('d1:m'.repeat(10_000));
      await sendAll(attackers, (at) => encodeExtended(0, payloads[at % payloads.length] ?? deep));
      await sendAll(attackers, (at) => encodeExtended(at % 256, deep));
      await delay(1_500);
      return [];
    },
  },
  {
    name: 'metadata asked for 5,000 times each by 60 peers, half of which never read',
    async run(field) {
      const attackers = await spread(field, 60);
      const hello = encodeExtensionHandshake({ messages: new Map([['ut_metadata', 1]]) });
      for (const [at, { socket }] of attackers.entries()) if (at % 2 === 0) socket.pause();
      const flood = repeated(encodeMetadataRequest(METADATA_ID, 0), 5_000);
      const before = field.crowd.received;
      await sendAll(attackers, () => Buffer.concat([hello, flood]));
      await delay(2_000);
      return [['nobody is given more than a few times the metadata', field.crowd.received - before < 60 * SEND_BYTES]];
    },
  },
  {
    name: 'noise in place of a handshake, from 300 peers',
    async run({ crowd }) {
      const attackers = await crowd.open(300);
      const [noise] = fc.sample(fc.uint8Array({ minLength: 700, maxLength: 700 }), 1) as [Uint8Array];
      await sendAll(attackers, (at) => Buffer.concat([Buffer.of(at & 0xff), noise]));
      await delay(1_000);
      return [allClosed(attackers)];
    },
  },
  {
    name: 'bent messages from 200 peers',
    async run(field) {
      const attackers = await spread(field, 200);
      const nasty = nastyMessages(200);
      for (let round = 0; round < 3; round++) await sendAll(attackers, (at) => nasty[(at + round) % 200] as Buffer);
      await delay(1_000);
      return [];
    },
  },
  {
    name: 'blocks that nobody asked for, 32 MiB from each of 8 peers',
    async run(field) {
      const attackers = await spread(field, 8, { type: 'haveNone' });
      const block = encodeMessage({ type: 'piece', index: 0, begin: 0, data: Buffer.alloc(BLOCK_BYTES) });
      const mebibyte = repeated(block, 64);
      for (let count = 0; count < 32; count++) await sendAll(attackers, () => mebibyte);
      await delay(1_500);
      return [allClosed(attackers)];
    },
  },
  {
    name: 'a thousand connections that end at once',
    async run({ crowd }) {
      for (let round = 0; round < 10; round++) {
        const some = await crowd.open(100);
        for (const { socket } of some) socket.resetAndDestroy();
      }
      await delay(500);
      return [];
    },
  },
  {
    name: 'dictionaries with a thousand extensions, again and again, from 60 peers',
    async run(field) {
      const attackers = await spread(field, 60);
      const names = Array.from({ length: 400 }, (_, at) => [`x${at}`, at % 256] as const);
      const hello = encodeExtended(0, encode({ m: new Map(names), reqq: 0x7fff_ffff, metadata_size: 1 }));
      for (let round = 0; round < 10; round++) await sendAll(attackers, () => hello);
      await delay(1_000);
      return [];
    },
  },
];
