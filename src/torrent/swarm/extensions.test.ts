import { expect, it } from 'vitest';
import { RawPeer } from '../../../test/simulation/raw-peer.ts';
import { Simulation } from '../../../test/simulation/swarm.ts';
import type { Message } from '../wire/index.ts';
import * as limits from './limits.ts';

it(`${limits.EXTENSION_HANDSHAKES} extension handshakes a minute are read, and one more ends the connection`, async () => {
  const simulation = new Simulation({ bytes: 1_000_000, pieceLength: 65_536 });
  const seed = await simulation.seed();
  const { infoHash, pieceCount } = simulation.info;
  const dialling = RawPeer.dial(simulation.network.host('30.0.0.1'), seed.address, seed.port, { infoHash, pieceCount });
  await simulation.clock.run(50);
  const peer = await dialling;
  const hello: Message = { type: 'extended', id: 0, payload: Buffer.from('de') };
  for (let minute = 0; minute < 2; minute++) {
    peer.send(...new Array<Message>(limits.EXTENSION_HANDSHAKES).fill(hello));
    await simulation.clock.run(limits.EXTENSION_HANDSHAKE_MILLISECONDS);
  }
  expect(peer.closed).toBe(false);
  peer.send(...new Array<Message>(limits.EXTENSION_HANDSHAKES + 1).fill(hello));
  await simulation.clock.run(50);
  expect(peer.closed).toBe(true);
  await simulation.end();
});
