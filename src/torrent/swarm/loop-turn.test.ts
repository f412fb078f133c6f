import { describe, expect, it } from 'vitest';
import { RawPeer } from '../../../test/simulation/raw-peer.ts';
import { Simulation } from '../../../test/simulation/swarm.ts';
import { VirtualClock } from '../../../test/simulation/virtual-clock.ts';
import type { VirtualConnection } from '../../../test/simulation/virtual-connection.ts';
import { encodeHave, encodeMessage, type Message, messageSink } from '../wire/index.ts';
import { Intake } from './intake.ts';
import * as limits from './limits.ts';
import { LoopTurn } from './loop-turn.ts';

const BLOCK = 16_384;
const MIB = 1_048_576;

/** Turns of an event loop, by hand. */
function turns() {
  const asked: (() => void)[] = [];
  return {
    asked,
    soon: (call: () => void) => void asked.push(call),
    next: () => {
      for (const call of asked.splice(0)) call();
    },
  };
}

describe('a turn', () => {
  it('is over when its work is done, and the rest is called in its order, as far as the next ones have room', () => {
    const { soon, next, asked } = turns();
    const turn = new LoopTurn(10, soon);
    expect(turn.isOver).toBe(false);
    turn.spend(12);
    expect(turn.isOver).toBe(true);
    const called: string[] = [];
    const work = ['a', 'b', 'c', 'd'].map((name) => () => {
      called.push(name);
      turn.spend(5);
      if (name === 'a' && called.length < 4) turn.later(work[0] as () => void);
    });
    for (const call of [...work, ...work]) turn.later(call);
    turn.forget(work[3] as () => void);
    expect(asked.length).toBe(1);
    next();
    expect(called).toEqual(['a', 'b']);
    next();
    expect(called).toEqual(['a', 'b', 'c', 'a']);
    next();
    expect([turn.isOver, asked.length, called.length]).toEqual([false, 0, 4]);
  });
});

describe('what is read', () => {
  /** Peers that each send what `chunk` is, and how many of their messages each turn handles. */
  function reading(peers: number) {
    const loop = turns();
    const turn = new LoopTurn(limits.TURN_READ_WORK, loop.soon);
    const got: Message[][] = [];
    const paused = new Set<number>();
    const intakes = Array.from({ length: peers }, (_, at) => {
      const messages: Message[] = [];
      got.push(messages);
      const connection = { pause: () => paused.add(at), resume: () => paused.delete(at) } as never;
      const sink = messageSink((message) => messages.push(message));
      const onRead = (error: unknown) => expect(error).toBeUndefined();
      const owner = Object.assign(sink, { connection, onRead, flush: () => undefined });
      return new Intake(owner, { pieceCount: 8, fast: true, extended: true }, new VirtualClock(), turn);
    });
    return { ...loop, intakes, got, paused, total: () => got.reduce((sum, { length }) => sum + length, 0) };
  }
  const CHUNK = 65_536;

  it('of 200 peers that send nothing but messages is bounded in a turn, and all of it is read in the end', () => {
    const { intakes, got, paused, total, asked, next } = reading(200);
    const flood = Buffer.concat(Array.from({ length: Math.floor(CHUNK / 9) }, (_, at) => encodeHave(at % 8)));
    for (const intake of intakes) {
      const chunk = Buffer.from(flood);
      intake.take(chunk);
      // The chunk is its owner's again.
      chunk.fill(0xee);
    }
    const most = (limits.TURN_READ_WORK + CHUNK) / limits.MESSAGE_WORK + CHUNK / 9;
    expect(total()).toBeLessThan(most);
    expect(paused.size).toBeGreaterThan(190);
    let turnsTaken = 0;
    for (let before = total(); asked.length > 0; before = total(), turnsTaken++) {
      next();
      expect(total() - before).toBeLessThan(most);
    }
    expect(turnsTaken).toBeGreaterThan(50);
    expect(paused.size).toBe(0);
    for (const messages of got) expect(messages.length).toBe(Math.floor(CHUNK / 9));
    expect(got[199]?.[7]).toEqual({ type: 'have', index: 7 });
  });

  it('in small chunks does not wait behind that, and what follows a chunk that waits comes after it', () => {
    const { intakes, got, next } = reading(3);
    const [flooding, small, mixed] = intakes as [Intake, Intake, Intake];
    flooding.take(Buffer.concat(Array.from({ length: 20_000 }, () => encodeHave(1))));
    small.take(encodeHave(2));
    expect(got[1]).toEqual([{ type: 'have', index: 2 }]);
    mixed.take(Buffer.concat(Array.from({ length: 600 }, () => encodeHave(3))));
    mixed.take(encodeHave(4));
    expect(got[2]).toEqual([]);
    next();
    next();
    expect(got[2]?.length).toBe(601);
    expect(got[2]?.at(-1)).toEqual({ type: 'have', index: 4 });
  });

  it('is not read any more once the peer is gone', () => {
    const { intakes, got, next } = reading(2);
    const flood = Buffer.concat(Array.from({ length: 20_000 }, () => encodeHave(1)));
    for (const intake of intakes) intake.take(flood);
    intakes[1]?.close();
    next();
    expect(got.map(({ length }) => length)).toEqual([20_000, 0]);
  });

  it('counts messages of extensions for what they cost', () => {
    const { intakes, got, asked, next } = reading(2);
    const [one, other] = intakes as [Intake, Intake];
    const message = encodeMessage({ type: 'extended', id: 9, payload: Buffer.from('de') });
    one.take(message);
    for (let at = 0; at < limits.TURN_READ_WORK / limits.EXTENDED_WORK; at++) {
      one.addWork(limits.EXTENDED_WORK);
      one.take(message);
    }
    expect(asked.length).toBe(1);
    other.take(Buffer.concat(Array.from({ length: 600 }, () => encodeHave(3))));
    next();
    expect(got[1]?.length).toBe(600);
  });
});

it('what is sent to 200 peers that ask at the same moment is bounded in a turn, and each gets its part', async () => {
  const simulation = new Simulation({ bytes: 4 * MIB, pieceLength: 256 * 1024 });
  const network = simulation.network.host('20.9.9.9');
  const { asked, next } = turns();
  let byHand = false;
  const nextTurn = (call: () => void) => {
    if (byHand) asked.push(call);
    else simulation.clock.after(0, call);
  };
  const limitsSet = { connectionsPerTorrent: 200 };
  const seed = await simulation.seed({ network, address: '20.9.9.9', limits: limitsSet, nextTurn });
  const { infoHash, pieceCount } = simulation.info;
  const dialling = Array.from({ length: 200 }, (_, number) => {
    const peerId = Buffer.from(`-XX0001-${String(number).padStart(12, '0')}`);
    const host = simulation.network.host(`30.${number}.0.1`);
    return RawPeer.dial(host, seed.address, seed.port, { infoHash, pieceCount, peerId });
  });
  await simulation.clock.run(50);
  const peers = await Promise.all(dialling);
  for (const peer of peers) peer.send({ type: 'haveNone' }, { type: 'interested' });
  // Nobody takes anything, so in a while all are unchoked.
  await simulation.clock.run(60_000);
  expect(peers.every((peer) => peer.count('unchoke') > peer.count('choke'))).toBe(true);

  byHand = true;
  network.line.bytesPerSecond = 0.001;
  const ofPeers = () => peers.map(({ connection }) => (connection as VirtualConnection).other?.queuedBytes ?? 0);
  const sent = () => ofPeers().reduce((sum, bytes) => sum + bytes, 0);
  const requests = Array.from({ length: 16 }, (_, block): Message => {
    return { type: 'request', index: 0, begin: block * BLOCK, length: BLOCK };
  });
  for (const peer of peers) peer.send(...requests);
  await simulation.clock.run(20);
  const most = limits.TURN_SENT_WORK + 2 * limits.LEAST_BATCH_BYTES;
  expect(sent()).toBeGreaterThan(limits.TURN_SENT_WORK / 2);
  for (let before = 0; asked.length > 0; before = sent()) {
    expect(sent() - before).toBeLessThan(most);
    next();
    await simulation.clock.run(1);
  }
  expect(Math.min(...ofPeers())).toBeGreaterThan(limits.LEAST_BATCH_BYTES);
  expect(sent()).toBeGreaterThan(most);
  byHand = false;
  network.line.bytesPerSecond = 1e9;
  network.line.freeAt = simulation.clock.monotonic();
  for (const peer of peers) peer.connection.destroy();
  await simulation.end();
});
