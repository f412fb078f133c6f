// Goes over limits of downloading: whom blocks and metadata are asked of; docs of each are in limits.ts.
import { describe, expect, it } from 'vitest';
import { unavailable } from '../../../test/simulation/memory-pieces.ts';
import { RawPeer } from '../../../test/simulation/raw-peer.ts';
import { type NodeOptions, Simulation } from '../../../test/simulation/swarm.ts';
import { BLOCK_BYTES, decodeMetadataMessage, encodeExtensionHandshake, METADATA_PIECE_BYTES } from '../wire/index.ts';
import { Blame } from './blame.ts';
import * as limits from './limits.ts';
import { PartialPiece } from './partial-piece.ts';
import { PeerRequests } from './peer-requests.ts';
import type { PeerSession } from './session.ts';

/** What a raw peer wants ut_metadata under. */
const METADATA_ID = 5;

async function setUp(options: { blocks: number; blocksEach: number } & NodeOptions) {
  const { blocks, blocksEach, ...more } = options;
  const simulation = new Simulation({ bytes: blocks * BLOCK_BYTES, pieceLength: blocksEach * BLOCK_BYTES });
  const leech = await simulation.node(more);
  let count = 0;
  /** A peer that comes, and answers as `take` says. */
  const come = async (take?: ConstructorParameters<typeof RawPeer>[1]['take']) => {
    const number = ++count;
    const peerId = Buffer.from(`-XX0001-${String(number).padStart(12, '0')}`);
    const { infoHash, pieceCount } = simulation.info;
    const network = simulation.network.host(`30.0.${number}.1`);
    const dialling = RawPeer.dial(network, leech.address, leech.port, {
      ...{ infoHash, pieceCount, peerId },
      ...(take !== undefined && { take }),
    });
    await simulation.clock.run(50);
    return dialling;
  };
  const seeding = async (take?: Parameters<typeof come>[0]) => {
    const peer = await come(take);
    peer.send({ type: 'haveAll' }, { type: 'unchoke' });
    await simulation.clock.run(50);
    return peer;
  };
  return { simulation, clock: simulation.clock, leech, come, seeding };
}

const asked = (peer: RawPeer) =>
  peer.got.flatMap((message) => (message.type === 'request' ? [`${message.index} ${message.begin}`] : []));

describe('in the endgame', () => {
  it(`a block is asked of ${limits.ENDGAME_REQUESTS} peers`, async () => {
    const { simulation, clock, seeding } = await setUp({ blocks: 1, blocksEach: 1 });
    const silent = [];
    for (let at = 0; at < limits.ENDGAME_REQUESTS + 3; at++) silent.push(await seeding());
    await clock.run(limits.SNUB_MILLISECONDS / 2);
    expect(silent.filter((peer) => asked(peer).length > 0).length).toBe(limits.ENDGAME_REQUESTS);
    await simulation.end();
  });

  it(`${limits.ENDGAME_BLOCKS} blocks that others owe are asked of a peer at a time`, async () => {
    const each = limits.FIRST_REQUESTS;
    const { simulation, clock, seeding, leech } = await setUp({ blocks: 40 * each, blocksEach: each });
    const silent = [];
    for (let at = 0; at < 8; at++) silent.push(await seeding());
    const owed = new Set(silent.flatMap(asked));
    expect(owed.size).toBe(8 * each);
    const waiting = new Set<string>();
    let most = 0;
    await seeding((message, peer) => {
      if (message.type !== 'request') return;
      const { index, begin } = message;
      const name = `${index} ${begin}`;
      if (owed.has(name)) waiting.add(name);
      most = Math.max(most, waiting.size);
      const at = index * each * BLOCK_BYTES + begin;
      clock.after(100, () => {
        waiting.delete(name);
        peer.send({ type: 'piece', index, begin, data: simulation.content.subarray(at, at + BLOCK_BYTES) });
      });
    });
    await clock.run(limits.SNUB_MILLISECONDS / 2);
    // All else is there: the peer was busy with what others owe.
    expect(leech.torrent.left).toBeLessThanOrEqual(8 * each * BLOCK_BYTES);
    expect(most).toBe(limits.ENDGAME_BLOCKS);
    await simulation.end();
  });
});

describe('of pieces', () => {
  it(`${limits.PIECES_ALWAYS} are begun, however little memory there is for them`, async () => {
    const { simulation, seeding } = await setUp({ blocks: 64, blocksEach: 4, limits: { pieceBytes: 1 } });
    const silent = [];
    for (let at = 0; at < limits.PIECES_ALWAYS + 2; at++) silent.push(await seeding());
    const begun = new Set(silent.flatMap(asked).map((block) => block.split(' ')[0]));
    expect(begun.size).toBe(limits.PIECES_ALWAYS);
    await simulation.end();
  });

  it(`${limits.FAILED_PIECES_KEPT} that failed are kept to find who sent wrong blocks; the oldest is forgotten`, () => {
    const blame = new Blame();
    const pieceOf = (index: number, wrong: boolean) => {
      const [liar, other] = [{ requests: new PeerRequests(0) }, { requests: new PeerRequests(0) }] as PeerSession[];
      const partial = new PartialPiece(index, 2 * BLOCK_BYTES, liar as PeerSession, false, 0);
      partial.receive(0, Buffer.alloc(BLOCK_BYTES, wrong ? 1 : 2), liar as PeerSession);
      partial.receive(1, Buffer.alloc(BLOCK_BYTES, 2), other as PeerSession);
      return { partial, liar };
    };
    const failed = Array.from({ length: limits.FAILED_PIECES_KEPT + 1 }, (_, index) => pieceOf(index, true));
    for (const { partial } of failed) blame.bad(partial, partial.data, 1);
    const guilty = failed.map((_, index) => {
      const { partial } = pieceOf(index, false);
      return blame.good(partial, partial.data);
    });
    expect(guilty).toEqual(failed.map(({ liar }, index) => (index === 0 ? [] : [liar])));
  });
});

describe('nothing is asked for', () => {
  it(`that a peer rejected, for ${limits.REFUSED_MILLISECONDS / 1_000} s`, async () => {
    const { simulation, clock, seeding } = await setUp({ blocks: 1, blocksEach: 1 });
    const times: number[] = [];
    await seeding((message, peer) => {
      if (message.type !== 'request') return;
      times.push(clock.monotonic());
      peer.send({ ...message, type: 'reject' });
    });
    await clock.run(10 * limits.REFUSED_MILLISECONDS);
    const pauses = times.slice(1).map((time, at) => time - (times[at] as number));
    expect(pauses.length).toBeGreaterThan(4);
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(limits.REFUSED_MILLISECONDS);
    await simulation.end();
  });

  it(`when a write failed, for ${limits.WRITE_RETRY_MILLISECONDS / 1_000} s`, async () => {
    const { simulation, clock, seeding, leech } = await setUp({ blocks: 1, blocksEach: 1 });
    leech.store.writeError = unavailable();
    const times: number[] = [];
    await seeding((message, peer) => {
      if (message.type !== 'request') return;
      times.push(clock.monotonic());
      peer.send({ type: 'piece', index: 0, begin: 0, data: simulation.content });
    });
    await clock.run(10 * limits.WRITE_RETRY_MILLISECONDS);
    const pauses = times.slice(1).map((time, at) => time - (times[at] as number));
    expect(pauses.length).toBeGreaterThan(4);
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(limits.WRITE_RETRY_MILLISECONDS);
    await simulation.end();
  });
});

describe('of metadata', () => {
  it(`${limits.METADATA_REQUESTS_IN_FLIGHT} pieces are asked of ${limits.METADATA_FETCHES} peers, of others when those are silent`, async () => {
    const { simulation, clock, come } = await setUp({ blocks: 4, blocksEach: 1, spec: { info: null, id: null } });
    const peers: RawPeer[] = [];
    for (let at = 0; at < limits.METADATA_FETCHES + 2; at++) {
      const peer = await come();
      const metadataSize = 9 * METADATA_PIECE_BYTES;
      peer.sendRaw(encodeExtensionHandshake({ messages: new Map([['ut_metadata', METADATA_ID]]), metadataSize }));
      peers.push(peer);
      await clock.run(100);
    }
    const requests = () =>
      peers.map(
        (peer) =>
          peer.got.filter((one) => one.type === 'extended' && one.id === METADATA_ID && isRequest(one.payload)).length,
      );
    const few = limits.METADATA_REQUESTS_IN_FLIGHT;
    const first = peers.map((_, at) => (at < limits.METADATA_FETCHES ? few : 0));
    expect(requests()).toEqual(first);
    await clock.run(limits.METADATA_WAIT_MILLISECONDS - 2_000);
    expect(requests()).toEqual(first);
    await clock.run(4_000);
    expect(requests()).toEqual(peers.map(() => few));
    await simulation.end();
  });
});

const isRequest = (payload: Buffer) => decodeMetadataMessage(payload)?.type === 'request';
