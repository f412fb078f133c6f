// Both sides of the encrypted handshake (MSE). Ours always draws the same numbers, so that the other side can be written down.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { seededRandom } from '../../src/lib/random.ts';
import {
  encodeHandshake,
  MSE_METHODS,
  MSE_OPENING_BYTES,
  MseHandshake,
  ObfuscatedHashes,
  ProtocolError,
} from '../../src/torrent/wire/index.ts';
import type { Target } from './driver.ts';
import { bytes, cut } from './parts.ts';

type Side = 'initiator' | 'responder';

const INFO_HASH = Buffer.alloc(20, 0x5a);
const HASHES = new ObfuscatedHashes();
HASHES.add(INFO_HASH);
const OUR_SEED = 7;
const BOTH = MSE_METHODS.plaintext | MSE_METHODS.rc4;
const HELLO = encodeHandshake({
  infoHash: INFO_HASH,
  peerId: Buffer.alloc(20, 0x31),
  features: { extended: true, fast: true, dht: false },
});
/** What we say at most: our key and padding, then our half of the rest. */
const MOST_SENT_BYTES = MSE_OPENING_BYTES + 20 + 20 + 16 + HELLO.length;

interface Options {
  readonly seed: number;
  readonly methods: number;
  readonly payload: Buffer;
  readonly send: (bytes: Buffer) => void;
}

function begin(side: Side, { seed, methods, payload, send }: Options): MseHandshake {
  const options = { methods, send, random: seededRandom(seed) };
  return side === 'initiator'
    ? MseHandshake.initiate({ ...options, infoHash: INFO_HASH, initialPayload: payload })
    : MseHandshake.respond({ ...options, find: (hash) => HASHES.find(hash) });
}

/** What we have made of the other's bytes. */
interface Heard {
  readonly payload: Buffer;
  readonly sent: Buffer;
  readonly isAgreed: boolean;
  readonly isEncrypted: boolean;
  readonly error: string;
}

function hear(side: Side, chunks: readonly Buffer[]): Heard {
  const sent: Buffer[] = [];
  const payload: Buffer[] = [];
  let error = '';
  const ours = begin(side, { seed: OUR_SEED, methods: BOTH, payload: HELLO, send: (some) => void sent.push(some) });
  try {
    for (const chunk of chunks) payload.push(Buffer.from(ours.push(chunk)));
  } catch (refused) {
    if (!(refused instanceof ProtocolError)) throw refused;
    error = refused.message;
  }
  return {
    payload: error === '' ? Buffer.concat(payload) : Buffer.alloc(0),
    sent: Buffer.concat(sent),
    isAgreed: ours.infoHash !== null,
    isEncrypted: ours.streams !== null,
    error,
  };
}

function read(side: Side): (input: Buffer) => boolean {
  return (input) => {
    const whole = hear(side, [Buffer.from(input)]);
    assert.deepEqual(hear(side, cut(input)), whole);
    assert.ok(whole.sent.length <= MOST_SENT_BYTES, `${whole.sent.length} bytes said`);
    assert.ok(whole.payload.length <= input.length);
    return whole.isAgreed && whole.error === '';
  };
}

/** What an honest other side says to ours, and a payload of its own behind it. */
function spoken(side: Side, { seed, methods, payload }: Omit<Options, 'send'>): Buffer {
  const toUs: Buffer[] = [];
  const toThem: Buffer[] = [];
  const ours = begin(side, {
    ...{ seed: OUR_SEED, methods: BOTH, payload: HELLO },
    send: (some) => void toThem.push(Buffer.from(some)),
  });
  const theirs = begin(side === 'initiator' ? 'responder' : 'initiator', {
    ...{ seed, methods, payload },
    send: (some) => void toUs.push(Buffer.from(some)),
  });
  const said: Buffer[] = [];
  while (toUs.length > 0 || toThem.length > 0) {
    for (const some of toThem.splice(0)) theirs.push(some);
    for (const some of toUs.splice(0)) {
      said.push(Buffer.from(some));
      ours.push(some);
    }
  }
  const behind = Buffer.from(HELLO);
  return Buffer.concat([...said, theirs.streams?.encrypt.apply(behind) ?? behind]);
}

const drawn = (side: Side) =>
  fc
    .record({ seed: fc.nat(), methods: fc.constantFrom(1, 2, 3), payload: fc.oneof(fc.constant(HELLO), bytes(300)) })
    .map((options) => spoken(side, options));

export const MSE: readonly Target[] = (['initiator', 'responder'] as const).map((side) => ({
  name: `mse-${side}`,
  isRefusal: (error) => error instanceof ProtocolError,
  drawn: drawn(side),
  read: read(side),
}));
