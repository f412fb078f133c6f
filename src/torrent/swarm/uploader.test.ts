import { expect, it } from 'vitest';
import { ManualClock } from '../../../test/parts/manual-clock.ts';
import { Bitfield } from '../../lib/bitfield.ts';
import type { Info } from '../metainfo/index.ts';
import type { Connection } from '../ports.ts';
import { BLOCK_BYTES } from '../wire/index.ts';
import { Bucket } from './bucket.ts';
import type { SwarmContext } from './context.ts';
import * as limits from './limits.ts';
import { Uploader } from './uploader.ts';

/** One with a request in its queue and so many bytes before its connection that were not taken. */
function asked(queuedBytes: number): Uploader {
  const [pieceLength, pieceCount] = [4 * BLOCK_BYTES, 2];
  const info = { pieceLength, pieceCount, totalLength: pieceLength * pieceCount } as Info;
  const have = new Bitfield(pieceCount);
  have.add(0);
  const connection = { queuedBytes } as Connection;
  const nothing = () => undefined;
  const peer = { connection, fast: true, send: nothing, flush: nothing, close: nothing };
  const source = { info, have, handle: {} as never, bucket: new Bucket(), uploaded: nothing };
  const uploader = new Uploader(peer, source, { clock: new ManualClock() } as unknown as SwarmContext);
  uploader.choking = false;
  uploader.request(0, 0, BLOCK_BYTES);
  return uploader;
}

it('a peer that asked and has room waits for us; one whose connection is full of what it does not read waits for itself', () => {
  const long = 10 * limits.QUIET_MILLISECONDS;
  expect(asked(0).paceAt(long)).toBe(Number.POSITIVE_INFINITY);
  expect(asked(limits.SEND_BUFFER_BYTES - 1).paceAt(long)).toBe(Number.POSITIVE_INFINITY);
  expect(asked(limits.SEND_BUFFER_BYTES).paceAt(long)).toBe(0);
});
