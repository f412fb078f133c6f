// Floods of extended messages: handshakes (BEP 10) and metadata (BEP 9).
import { setTimeout as delay } from 'node:timers/promises';
import {
  decodeMetadataMessage,
  encodeExtended,
  encodeExtensionHandshake,
  encodeMetadataData,
  encodeMetadataReject,
  encodeMetadataRequest,
  METADATA_PIECE_BYTES,
} from '../../src/torrent/wire/index.ts';
import type { Attack, Field } from './attacks.ts';
import type { Attacker } from './crowd.ts';
import { hear } from './hearing.ts';
import { EXTENSION_HANDSHAKES, METADATA_MESSAGES, METADATA_SENT_TIMES } from './limits.ts';
import { AFTER_MILLISECONDS, comesTrue } from './patience.ts';

/** Under which the server takes ut_metadata messages, and under which we want them. */
const SERVER_ID = 1;
const OWN_ID = 9;
const REQUESTS = 100_000;
const LAST_PIECE = 639;

/** A peer that counts what it is given. */
interface Counting {
  readonly attacker: Attacker;
  dataBytes: number;
  data: number;
  rejects: number;
}

async function greet({ crowd, hashes, pieceCount }: Field, count: number): Promise<Counting[]> {
  const attackers = await crowd.greet(count, hashes[0] as Buffer);
  return attackers.map((attacker) => {
    const counting: Counting = { attacker, dataBytes: 0, data: 0, rejects: 0 };
    hear(attacker, pieceCount, (message) => {
      if (message.type !== 'extended' || message.id !== OWN_ID) return;
      const told = decodeMetadataMessage(message.payload);
      if (told?.type === 'reject') counting.rejects++;
      if (told?.type !== 'data') return;
      counting.data++;
      counting.dataBytes += told.data.length;
    });
    attacker.socket.write(encodeExtensionHandshake({ messages: new Map([['ut_metadata', OWN_ID]]) }));
    return counting;
  });
}

const repeated = (bytes: Buffer, times: number) => Buffer.alloc(bytes.length * times, bytes);

/** As often as a peer may, then by the hundred thousand. */
async function requests(field: Field) {
  const out = [1, LAST_PIECE].map((piece) => encodeMetadataRequest(SERVER_ID, piece));
  const [asking, beyond] = (await greet(field, 2)) as [Counting, Counting];
  asking.attacker.socket.write(repeated(encodeMetadataRequest(SERVER_ID, 0), METADATA_MESSAGES));
  beyond.attacker.socket.write(repeated(Buffer.concat(out), METADATA_MESSAGES / 2));
  const isAnswered = await comesTrue(
    () => asking.data + asking.rejects === METADATA_MESSAGES && beyond.rejects === METADATA_MESSAGES,
  );
  const flooding = await greet(field, 10);
  for (const { attacker } of flooding) attacker.socket.write(repeated(encodeMetadataRequest(SERVER_ID, 0), REQUESTS));
  const isOver = await comesTrue(() => flooding.every(({ attacker }) => attacker.closed));
  await delay(AFTER_MILLISECONDS);
  const { metadataBytes } = field;
  const most = METADATA_SENT_TIMES * metadataBytes;
  return [
    ['each request is answered', isAnswered && !asking.attacker.closed],
    ['metadata is given twice, and no more', asking.dataBytes === most],
    ['of pieces that are not there nothing is given', beyond.data === 0],
    ['who asks more often is sent away', isOver],
    ['and was given no more either', flooding.every(({ dataBytes }) => dataBytes <= most)],
  ] as const;
}

async function handshakes({ crowd, hashes }: Field) {
  const hello = encodeExtensionHandshake({ messages: new Map([['ut_metadata', OWN_ID]]) });
  const [few, ...many] = await crowd.greet(11, hashes[0] as Buffer);
  few?.socket.write(repeated(hello, EXTENSION_HANDSHAKES));
  for (const { socket } of many) socket.write(repeated(hello, REQUESTS));
  const isOver = await comesTrue(() => many.every(({ closed }) => closed));
  await delay(AFTER_MILLISECONDS);
  return [
    ['who says them as often as it may stays', few?.closed === false],
    ['who says them more often is sent away', isOver],
  ] as const;
}

async function unasked(field: Field) {
  const giving = await greet(field, 20);
  const piece = encodeMetadataData(SERVER_ID, 0, LAST_PIECE * METADATA_PIECE_BYTES, Buffer.alloc(METADATA_PIECE_BYTES));
  const all = Buffer.concat([piece, repeated(encodeMetadataReject(SERVER_ID, 0), METADATA_MESSAGES - 1)]);
  for (const { attacker } of giving) attacker.socket.write(all);
  await delay(500);
  const stayed = giving.every(({ attacker }) => !attacker.closed);
  for (const { attacker } of giving) attacker.socket.write(repeated(piece, 100));
  const liars = [
    // More than any metadata may have, less than nothing, a piece behind the end, and less data than is said.
    'd8:msg_typei1e5:piecei0e10:total_sizei2147483647ee',
    'd8:msg_typei1e5:piecei0e10:total_sizei-1ee',
    'd8:msg_typei0e5:piecei99999999999999999999ee',
    'd8:msg_typei0e5:piecei-1ee',
    'd8:msg_typei1e5:piecei0e10:total_sizei16384eetoo short',
    'd8:msg_type1:x5:piecei0ee',
    'le',
  ];
  const lying = await greet(field, liars.length);
  for (const [at, { attacker }] of lying.entries()) {
    attacker.socket.write(encodeExtended(SERVER_ID, Buffer.from(liars[at] as string)));
  }
  await delay(AFTER_MILLISECONDS);
  const closed = (some: readonly Counting[]) => comesTrue(() => some.every(({ attacker }) => attacker.closed));
  return [
    ['what nobody asked for is left alone', stayed],
    ['until it is too much', await closed(giving)],
    ['what cannot be ends the connection', await closed(lying)],
    ['nobody is given anything', [...giving, ...lying].every(({ data }) => data === 0)],
  ] as const;
}

export const EXTENDED_ATTACKS: readonly Attack[] = [
  {
    name: 'metadata asked for 100,000 times each by 10 peers, and pieces of it that are not there',
    run: requests,
  },
  { name: 'extension handshakes by the hundred thousand, from 10 peers', run: handshakes },
  { name: 'metadata that nobody asked for, and messages of it that cannot be', run: unasked },
];
