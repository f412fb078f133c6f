// Encrypted handshakes (MSE) that are wrong in every part, and key agreements by the thousand.
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { encodeHandshake } from '../../src/torrent/wire/index.ts';
import type { Attack, Field } from './attacks.ts';
import type { Attacker, Crowd } from './crowd.ts';
import { HANDSHAKE_MILLISECONDS, KEY_AGREEMENTS_AT_ONCE, KEY_AGREEMENTS_PER_SECOND } from './limits.ts';
import { KEY_BYTES, keyBytes, MSE_PRIME, MseDialler, type Offer } from './mse-dialler.ts';
import { AFTER_MILLISECONDS, comesTrue } from './patience.ts';

const MOST_PADDING_BYTES = 512;
/** The most a stranger is told before it has shown that it knows a torrent: a key and its padding. */
const FIRST_STEP_BYTES = KEY_BYTES + MOST_PADDING_BYTES;
const TICK_MILLISECONDS = 1_000;
/** A busy machine wakes this process late. */
const SLACK_MILLISECONDS = 3_000;
const THOUSAND = 1_000;
const OF_EACH = 8;

const DEGENERATE = [0n, 1n, MSE_PRIME - 1n, MSE_PRIME, MSE_PRIME + 1n, (1n << 768n) - 1n].map(keyBytes);

/** What a second step may have wrong. The server says nothing to any of them. */
function wrongOffers(infoHash: Buffer): Offer[] {
  const noise = Buffer.alloc(MOST_PADDING_BYTES, 0xa5);
  return [
    { infoHash, mark: randomBytes(20), rest: noise },
    { infoHash: randomBytes(20) },
    { infoHash, name: Buffer.alloc(20) },
    { infoHash, constant: randomBytes(8) },
    { infoHash, methods: 0 },
    { infoHash, methods: 0xffff_fffc },
    { infoHash, paddingBytes: MOST_PADDING_BYTES + 1, padding: noise, rest: noise },
    { infoHash, paddingBytes: 0xffff },
    { infoHash, initialBytes: 0xffff, initial: noise },
    { infoHash, initialBytes: 16_385 },
  ];
}

/** Ends of handshakes that are right up to there: the stream behind them is noise, or names another torrent. */
function wrongEnds(infoHash: Buffer): Offer[] {
  const features = { extended: true, fast: true, dht: false };
  const hello = (hash: Buffer) => encodeHandshake({ infoHash: hash, peerId: randomBytes(20), features });
  return [
    { infoHash, initial: randomBytes(400) },
    { infoHash, initial: hello(randomBytes(20)) },
    { infoHash, methods: 2, initial: hello(infoHash), rest: randomBytes(2_000) },
    { infoHash, methods: 2, rest: randomBytes(2_000) },
  ];
}

/** The server's key, as soon as it is there; null if it is not in time. */
async function theirKey({ socket }: Attacker): Promise<Buffer | null> {
  let got = Buffer.alloc(0);
  socket.on('data', (data: Buffer) => {
    if (got.length < KEY_BYTES) got = Buffer.concat([got, data]);
  });
  return (await comesTrue(() => got.length >= KEY_BYTES)) ? Buffer.from(got.subarray(0, KEY_BYTES)) : null;
}

/** Agrees on a key, then offers that; returns whether the server gave its key. */
async function sayOffer(attacker: Attacker, offer: Offer, dialler: MseDialler, padding: Buffer): Promise<boolean> {
  const key = theirKey(attacker);
  attacker.socket.write(Buffer.concat([dialler.publicKey, padding]));
  const theirs = await key;
  if (theirs !== null) attacker.socket.write(dialler.offer(theirs, offer));
  return theirs !== null;
}

async function offerAll(crowd: Crowd, offers: readonly Offer[]) {
  // One key for all, made before anybody's time begins: making one takes long.
  const dialler = new MseDialler();
  const attackers = await crowd.open(offers.length);
  const paddings = [0, 1, 100, MOST_PADDING_BYTES].map((length) => randomBytes(length));
  const agreed = await Promise.all(
    attackers.map((attacker, at) => sayOffer(attacker, offers[at] as Offer, dialler, paddings[at % 4] as Buffer)),
  );
  await comesTrue(() => closed(attackers));
  return { attackers, agreed: agreed.every(Boolean) };
}

const times = <T>(list: readonly T[]) => list.flatMap((one) => Array.from({ length: OF_EACH }, () => one));
const closed = (attackers: readonly Attacker[]) => attackers.every((attacker) => attacker.closed);
const silent = (attackers: readonly Attacker[]) => attackers.every(({ received }) => received === 0);
const briefly = (attackers: readonly Attacker[]) => attackers.every(({ received }) => received <= FIRST_STEP_BYTES);

async function wrongKeys({ crowd }: Field) {
  const keys = times(DEGENERATE);
  const degenerate = await crowd.open(keys.length);
  for (const [at, { socket }] of degenerate.entries()) socket.write(keys[at] as Buffer);
  const long = await crowd.open(OF_EACH);
  for (const { socket } of long) socket.write(randomBytes(FIRST_STEP_BYTES + 1));
  const unmarked = await crowd.open(OF_EACH);
  for (const { socket } of unmarked) {
    socket.write(randomBytes(KEY_BYTES));
    await delay(50);
    // As much as padding and the mark behind it can be.
    socket.write(randomBytes(MOST_PADDING_BYTES + 20));
  }
  await comesTrue(() => closed([...degenerate, ...long, ...unmarked]));
  await delay(AFTER_MILLISECONDS);
  return [
    [
      'who sends a key that gives the secret away is sent away without a word',
      closed(degenerate) && silent(degenerate),
    ],
    ['so is who says more than fits before our key', closed(long) && silent(long)],
    ['and who says no mark behind the longest padding, with our key alone', closed(unmarked) && briefly(unmarked)],
  ] as const;
}

async function wrongSteps({ crowd, hashes }: Field) {
  const infoHash = hashes[0] as Buffer;
  const offers = await offerAll(crowd, times(wrongOffers(infoHash)));
  const ends = await offerAll(crowd, times(wrongEnds(infoHash)));
  await delay(AFTER_MILLISECONDS);
  return [
    ['keys are agreed on with all', offers.agreed && ends.agreed],
    [
      'who offers what cannot be is sent away and told no more than our key',
      closed(offers.attackers) && briefly(offers.attackers),
    ],
    ['who goes on with noise is sent away', closed(ends.attackers)],
  ] as const;
}

/** A thousand at once want a key, or send half of one, and then are silent. */
async function thousand({ crowd, hashes }: Field) {
  const asking = await crowd.open(THOUSAND - 100);
  const began = performance.now();
  for (const { socket } of asking) socket.write(randomBytes(KEY_BYTES + 7));
  const half = await crowd.open(100);
  for (const { socket } of half) socket.write(randomBytes(KEY_BYTES / 2));
  await delay(1_000);
  const answered = asking.filter(({ received }) => received > 0).length;
  const seconds = (performance.now() - began) / 1_000;
  const [plain] = (await crowd.greet(1, hashes[0] as Buffer, { type: 'haveNone' })) as [Attacker];
  const isLetIn = await comesTrue(() => plain.received > 68);
  await delay(began + HANDSHAKE_MILLISECONDS + TICK_MILLISECONDS - performance.now());
  const isOver = await comesTrue(() => closed(asking) && closed(half), SLACK_MILLISECONDS);
  process.stderr.write(`${answered} of ${asking.length} keys agreed on after ${seconds.toFixed(2)} s\n`);
  return [
    ['some agree at once', answered >= KEY_AGREEMENTS_AT_ONCE],
    [
      'no more agree than may in that time',
      answered <= KEY_AGREEMENTS_AT_ONCE + KEY_AGREEMENTS_PER_SECOND * seconds + 1,
    ],
    ['a plain one is let in meanwhile', isLetIn && !plain.closed],
    [
      'all have their turn, and are told no more than our key',
      asking.every(({ received }) => received > 0) && briefly(asking),
    ],
    ['half a key is no reason to speak', silent(half)],
    ['all are sent away at the end of their time', isOver],
  ] as const;
}

export const MSE_ATTACKS: readonly Attack[] = [
  { name: 'keys that give the secret away, and what only looks like a key', run: wrongKeys },
  { name: 'encrypted handshakes with every part wrong', run: wrongSteps },
  { name: `${THOUSAND} that want a key agreement at once and are silent then`, run: thousand },
];
