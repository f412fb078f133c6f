// DHT nodes that answer and ask all that is wrong, and floods of queries from the whole internet.
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { setTimeout as delay } from 'node:timers/promises';
import { type BencodeValue, decode, encode } from '../../src/torrent/metainfo/index.ts';
import { announce, bentAnswers, bentQueries, getPeers, junk, ping } from './dht-packets.ts';
import { type Ground, type GroundAttack, NODE_PORT } from './ground.ts';
import { PACKETS_IN_PER_ADDRESS, QUERIES_IN, QUERIES_OUT } from './limits.ts';

/** What a stranger with a false address can make of each byte it sends, at most. */
const MOST_AMPLIFIED = 10;
/** Slower than the server reads from all addresses together. */
const PAUSE_EVERY = 3;
/** Not everybody who asks is asked back: there may be no place for it in the table. */
const MOST_PING_ROUNDS = 40;
const FLOODING = 500;
const FLOOD_EACH = 40;
/** More peers than one answer names. */
const ANNOUNCING = 60;
const ONE_ADDRESS_FLOOD = 5_000;
const ANSWER_MILLISECONDS = 8_000;

/** A node of ours, and what went between it and the server. */
interface Stranger {
  readonly address: string;
  readonly socket: Socket;
  sent: number;
  sentBytes: number;
  replies: number;
  replyBytes: number;
  /** Queries of the server's own. */
  asked: number;
  last: BencodeValue | null;
}

class Strangers {
  readonly all: Stranger[] = [];
  /** Called for each query of the server's; what it returns is sent back. */
  answer: (transaction: Buffer) => Buffer | null = () => null;
  readonly #ground: Ground;

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  async open(address: string): Promise<Stranger> {
    const socket = createSocket('udp4');
    const stranger: Stranger = {
      ...{ address, socket, sent: 0, sentBytes: 0, replies: 0, replyBytes: 0, asked: 0, last: null },
    };
    this.all.push(stranger);
    socket.on('error', () => undefined);
    socket.on('message', (packet) => this.#received(stranger, packet));
    await new Promise<void>((resolve) => socket.bind(NODE_PORT, address, resolve));
    return stranger;
  }

  send(stranger: Stranger, packet: Buffer): Promise<void> {
    stranger.sent++;
    stranger.sentBytes += packet.length;
    const { host, port } = this.#ground;
    return new Promise((resolve) => stranger.socket.send(packet, port, host, () => resolve()));
  }

  /** Each from an address of its own below `prefix`. */
  async sendAll(packets: readonly Buffer[], prefix: string): Promise<Stranger[]> {
    const some: Stranger[] = [];
    for (const [at, packet] of packets.entries()) {
      const stranger = await this.open(`${prefix}.${at >> 8}.${at & 255}`);
      some.push(stranger);
      await this.send(stranger, packet);
      if (at % PAUSE_EVERY === 0) await delay(10);
    }
    return some;
  }

  /** The answer to a query, tried again until there is one. */
  async ask(stranger: Stranger, packet: Buffer): Promise<BencodeValue | null> {
    stranger.last = null;
    const began = performance.now();
    while (stranger.last === null && performance.now() - began < ANSWER_MILLISECONDS) {
      await this.send(stranger, packet);
      for (let waited = 0; waited < 100 && stranger.last === null; waited++) await delay(3);
    }
    return stranger.last;
  }

  close(): void {
    for (const { socket } of this.all) socket.close();
  }

  #received(stranger: Stranger, packet: Buffer): void {
    const message = decode(packet);
    if (message.need('y').text() !== 'q') {
      stranger.replies++;
      stranger.replyBytes += packet.length;
      stranger.last = message;
      return;
    }
    stranger.asked++;
    const answer = this.answer(message.need('t').bytes());
    // An answer is no question: it is not counted among what is replied to.
    if (answer !== null) stranger.socket.send(answer, this.#ground.port, this.#ground.host);
  }
}

/** All that is wrong, once, as fast as it is read. Whoever asks is asked back, and answers wrongly too. */
async function wrongOnes(strangers: Strangers, { host, port, hashes }: Ground) {
  const infoHash = hashes.pex;
  const answers = bentAnswers({ host, port });
  let answered = 0;
  strangers.answer = (transaction) => answers[answered++ % answers.length]?.(transaction) ?? null;
  const inner = await strangers.open('10.50.1.1');
  await strangers.sendAll(bentQueries(infoHash), '20.40');
  await strangers.sendAll(junk(infoHash), '20.41');
  for (let round = 0; round < MOST_PING_ROUNDS && answered < answers.length; round++) {
    await strangers.sendAll(Array.from({ length: 50 }, ping), `20.${50 + round}`);
  }
  await delay(500);
  strangers.answer = () => null;
  return { isAllAnswered: answered >= answers.length, isInnerAsked: inner.asked > 0 };
}

const tokenIn = (reply: BencodeValue | null) => reply?.get('r')?.get('token')?.bytes() ?? Buffer.alloc(0);
const peersIn = (reply: BencodeValue | null) =>
  (reply?.get('r')?.get('values')?.list() ?? []).map((peer) => peer.bytes().toString('hex')).sort();
const isError = (reply: BencodeValue | null) => reply?.need('y').text() === 'e';
const compactHex = (numbers: readonly number[], port: number) =>
  Buffer.from([...numbers, port >> 8, port & 255]).toString('hex');

/** Announces that are to be refused, and two that are not. */
async function announces(strangers: Strangers) {
  const hash = randomBytes(20);
  const [good, other] = [await strangers.open('20.43.0.1'), await strangers.open('20.43.0.2')];
  const tokenOf = async (stranger: Stranger) => tokenIn(await strangers.ask(stranger, getPeers(hash)));
  const token = await tokenOf(good);
  const refused: boolean[] = [];
  const say = async (stranger: Stranger, packet: Buffer) =>
    refused.push(isError(await strangers.ask(stranger, packet)));
  for (const wrong of [randomBytes(token.length), Buffer.alloc(0), Buffer.alloc(500), 7, token.subarray(1)]) {
    await say(good, announce(hash, wrong, { port: 1 }));
  }
  await say(other, announce(hash, token, { port: 1 }));
  await say(good, announce(randomBytes(20), token, { port: 1 }));
  for (const port of [0, -1, 65_536, '80', [80]]) await say(good, announce(hash, token, { port }));
  for (const implied of ['x', [], {}]) await say(good, announce(hash, token, { implied_port: implied, port: 1 }));
  const isAllRefused = refused.every(Boolean);
  const isNoneKept = peersIn(await strangers.ask(other, getPeers(hash))).length === 0;
  await strangers.ask(good, announce(hash, token, { port: 1_234 }));
  await strangers.ask(other, announce(hash, await tokenOf(other), { implied_port: 7, port: 0 }));
  const kept = peersIn(await strangers.ask(good, getPeers(hash)));
  const expected = [compactHex([20, 43, 0, 1], 1_234), compactHex([20, 43, 0, 2], NODE_PORT)];
  return { isAllRefused, isNoneKept, isRightKept: kept.join() === expected.join(), hash };
}

/** Makes the answer about a hash as long as it can be. */
async function announceByMany(strangers: Strangers, hash: Buffer): Promise<void> {
  for (let at = 0; at < ANNOUNCING; at++) {
    const stranger = await strangers.open(`20.47.0.${at}`);
    const token = tokenIn(await strangers.ask(stranger, getPeers(hash)));
    await strangers.ask(stranger, announce(hash, token, { port: 1 + at }));
  }
}

/** As many queries as can be sent, from many addresses and from one. */
async function flood(strangers: Strangers, infoHash: Buffer) {
  const many = await Promise.all(
    Array.from({ length: FLOODING }, (_, at) => strangers.open(`20.44.${at >> 8}.${at & 255}`)),
  );
  const one = await strangers.open('20.45.0.1');
  const began = performance.now();
  const packet = getPeers(infoHash);
  for (let count = 0; count < ONE_ADDRESS_FLOOD; count++) await strangers.send(one, packet);
  const oneSeconds = (performance.now() - began) / 1_000;
  for (let round = 0; round < FLOOD_EACH; round++)
    await Promise.all(many.map((stranger) => strangers.send(stranger, packet)));
  await delay(500);
  const seconds = (performance.now() - began) / 1_000;
  const replies = [one, ...many].reduce((sum, stranger) => sum + stranger.replies, 0);
  const asked = many.reduce((sum, stranger) => sum + stranger.asked, 0);
  process.stderr.write(
    `${FLOODING * FLOOD_EACH + ONE_ADDRESS_FLOOD} queries in ${seconds.toFixed(1)} s: ${replies} answers, ${asked} queries back\n`,
  );
  return {
    isOneHeld: one.replies <= most(PACKETS_IN_PER_ADDRESS, oneSeconds + 0.5),
    isAllHeld: replies <= most(QUERIES_IN, seconds) && asked <= most(QUERIES_OUT, seconds),
    isHeard: replies > 0,
  };
}

const most = ({ perSecond, burst }: { perSecond: number; burst: number }, seconds: number) =>
  burst + perSecond * seconds;

async function run(ground: Ground) {
  const strangers = new Strangers(ground);
  const wrong = await wrongOnes(strangers, ground);
  const told = await announces(strangers);
  await announceByMany(strangers, told.hash);
  const held = await flood(strangers, told.hash);
  const late = await strangers.open('20.46.0.1');
  const isAlive =
    (await strangers.ask(late, encode({ a: { id: randomBytes(20) }, q: 'ping', t: 'zz', y: 'q' }))) !== null;
  const replied = strangers.all.filter(({ replies }) => replies > 0);
  const factors = replied.map(({ replyBytes, sentBytes }) => replyBytes / sentBytes);
  process.stderr.write(
    `${replied.length} addresses answered, at most ${Math.max(...factors).toFixed(1)} bytes for one\n`,
  );
  strangers.close();
  return [
    ['every wrong answer was asked for', wrong.isAllAnswered],
    ['a private address that others name is not asked', !wrong.isInnerAsked],
    ['announces that cannot be are refused with an error', told.isAllRefused],
    ['and nothing of them is kept', told.isNoneKept],
    ['those that can be are kept, each with its port', told.isRightKept],
    ['a flood from one address is answered within its rate', held.isOneHeld && held.isHeard],
    ['a flood from everywhere within the rate of all', held.isAllHeld],
    ['nobody is told more often than it asked', replied.every(({ replies, sent }) => replies <= sent)],
    ['nor many more bytes', factors.every((factor) => factor <= MOST_AMPLIFIED)],
    ['after it all, who asks is answered', isAlive],
    ['none that nobody may be sent to is dialled', ground.dials.to('10.50.1').length === 0],
  ] as const;
}

export const DHT_ATTACK: GroundAttack = {
  name: 'DHT packets with every field wrong, and floods',
  strangers: FLOODING,
  run,
};
