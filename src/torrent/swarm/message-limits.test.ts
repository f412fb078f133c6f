// Goes over limits of how many messages a peer may send, and is sent, in a time; docs of each are in limits.ts.
import { describe, expect, it } from 'vitest';
import { RawPeer } from '../../../test/simulation/raw-peer.ts';
import { Simulation } from '../../../test/simulation/swarm.ts';
import { encodeExtensionHandshake, encodeMetadataReject, encodeMetadataRequest } from '../wire/index.ts';
import { Frequency } from './frequency.ts';
import * as limits from './limits.ts';

const PIECE_BYTES = 16 * 1024;
/** Our id of ut_metadata. */
const METADATA_ID = 1;

async function setUp() {
  const pieces = 3 * limits.SUGGESTIONS;
  const simulation = new Simulation({ bytes: pieces * PIECE_BYTES, pieceLength: PIECE_BYTES });
  const seed = await simulation.seed();
  const { infoHash, pieceCount } = simulation.info;
  const network = simulation.network.host('30.0.0.1');
  const dialling = RawPeer.dial(network, seed.address, seed.port, { infoHash, pieceCount });
  await simulation.clock.run(50);
  return { simulation, clock: simulation.clock, seed, peer: await dialling };
}

const repeated = (bytes: Buffer, times: number) => Buffer.alloc(bytes.length * times, bytes);
const hello = encodeExtensionHandshake({ messages: new Map([['ut_metadata', 7]]) });

describe('a peer may say', () => {
  it.each([
    ['extension handshakes', limits.EXTENSION_HANDSHAKES, hello],
    ['requests for metadata', limits.METADATA_MESSAGES, encodeMetadataRequest(METADATA_ID, 0)],
    ['rejects of metadata', limits.METADATA_MESSAGES, encodeMetadataReject(METADATA_ID, 0)],
  ])('so many %s in a minute (%i), and as many in the next', async (_, most, message) => {
    const { simulation, clock, peer } = await setUp();
    for (let minute = 0; minute < 3; minute++) {
      peer.sendRaw(repeated(message, most));
      await clock.run(limits.METADATA_MESSAGES_MILLISECONDS + 1_000);
    }
    expect(peer.closed).toBe(false);
    peer.sendRaw(repeated(message, most + 1));
    await clock.run(1_000);
    expect(peer.closed).toBe(true);
    await simulation.end();
  });
});

describe('a peer is told', () => {
  it(`of ${limits.SUGGESTIONS} pieces that are at hand, at a time`, async () => {
    const { simulation, clock, seed, peer } = await setUp();
    peer.send({ type: 'haveNone' }, { type: 'interested' });
    seed.torrent.setOtherSeeds(true);
    await clock.run(limits.CHOKE_MILLISECONDS - 1_000);
    expect(peer.count('suggest')).toBe(limits.SUGGESTIONS);
    await simulation.end();
  });
});

describe('what may come three times in a minute', () => {
  it('is counted from the first time on', () => {
    const often = new Frequency(3, 60_000);
    expect([5, 6, 7, 60_004, 60_005, 60_006].map((now) => often.allows(now))).toEqual([
      ...[true, true, true, false, true, true],
    ]);
  });
});
