// A peer that sends any bytes behind its handshake to an engine that runs: what the decoder takes, the session must bear.
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { type Log, silentLog } from '../../src/lib/log.ts';
import { RawPeer } from '../simulation/raw-peer.ts';
import { type NodeOptions, Simulation } from '../simulation/swarm.ts';
import type { Target } from './driver.ts';
import { cut } from './parts.ts';
import { WIRE } from './wire.ts';

const BYTES = 100_000;
const PIECE_BYTES = 16_384;
const CONNECT_MILLISECONDS = 100;
const HEAR_MILLISECONDS = 3_000;
/** Longer than a dial takes to be given up. */
const END_MILLISECONDS = 12_000;
/** What the engine keeps for one peer, and asks of it at once, at most. */
const HELD_BYTES = 1024 * 1024;
const REQUESTS_IN_FLIGHT = 1_024;

const content = new Simulation({ bytes: BYTES, pieceLength: PIECE_BYTES }).content;
/** What the engine is: the first byte of the input says. */
const SIDES: readonly NodeOptions[] = [
  { content, spec: { mode: 'seed' } },
  { content, pieces: [0, 2, 3] },
  {},
  { spec: { info: null, id: null } },
  { content, spec: { mode: 'seed' }, cold: true, readMilliseconds: 50 },
];

async function read(input: Buffer): Promise<boolean> {
  const simulation = new Simulation({ bytes: BYTES, pieceLength: PIECE_BYTES });
  const problems: string[] = [];
  const log: Log = {
    ...silentLog,
    error: (message, fields) => void problems.push(`${message} ${inspect(fields)}`),
  };
  const side = SIDES[(input[0] ?? 0) % SIDES.length] as NodeOptions;
  const node = await simulation.node({ ...side, log });
  const { clock, info } = simulation;
  const dialling = RawPeer.dial(simulation.network.host('30.0.0.1'), node.address, node.port, {
    infoHash: info.infoHash,
    // What comes back is our own engine's, and so is sound.
    pieceCount: info.pieceCount,
  });
  await clock.run(CONNECT_MILLISECONDS);
  const peer = await dialling;
  for (const chunk of cut(input.subarray(1))) peer.sendRaw(chunk);
  await clock.run(HEAR_MILLISECONDS);
  const { requestsInFlight, peers } = node.torrent.stats();
  assert.ok(requestsInFlight <= peers * REQUESTS_IN_FLIGHT);
  assert.ok(node.engine.stats().leasedBytes <= HELD_BYTES);
  assert.deepEqual(problems, []);
  const isOpen = !peer.closed;
  peer.connection.destroy();
  const ending = node.end();
  await clock.run(END_MILLISECONDS);
  await ending;
  const { leasedBytes, connections, pendingConnections } = node.engine.stats();
  assert.deepEqual([node.store.leases, leasedBytes, connections, pendingConnections], [0, 0, 0, 0]);
  return isOpen;
}

const messages = WIRE.find(({ name }) => name === 'messages')?.drawn ?? fc.constant(Buffer.alloc(0));

export const SESSION: readonly Target[] = [
  {
    name: 'peer-session',
    isRefusal: () => false,
    drawn: fc.tuple(fc.nat(SIDES.length - 1), messages).map(([side, sent]) => Buffer.concat([Buffer.of(side), sent])),
    read,
  },
];
