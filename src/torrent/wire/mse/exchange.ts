import type { Random } from '../../../lib/random.ts';
import { ProtocolError } from '../protocol.ts';
import { EXPONENT_BYTES, KEY_BYTES, KeyAgreement } from './agreement.ts';
import { labelledHash, obfuscatedHash } from './obfuscated-hashes.ts';
import { Rc4 } from './rc4.ts';
import type { Script } from './script.ts';

/** How the stream goes on after the handshake: bits of crypto_provide and crypto_select. */
export const MSE_METHODS = { plaintext: 1, rc4: 2 } as const;
/** Bytes of PadA, PadB, PadC and PadD, each. */
export const MAX_PADDING_BYTES = 512;
/** Bytes of initial payload taken: a handshake and first messages. The protocol has room for 65,535. */
export const MAX_INITIAL_BYTES = 16_384;
/** The most that the one who dialled can say before it has our key. */
export const MSE_OPENING_BYTES = KEY_BYTES + MAX_PADDING_BYTES;
/** The most that either side asks for at once. */
export const MOST_BYTES_AT_ONCE = MAX_PADDING_BYTES;

const HASH_BYTES = 20;
/** The verification constant, VC. */
const ZEROES = Buffer.alloc(8);

export interface SideOptions {
  /** Bits of MSE_METHODS that may follow. */
  readonly methods: number;
  readonly random: Random;
  /** Takes bytes for the peer, in order. */
  send(bytes: Buffer): void;
}

export interface InitiatorOptions extends SideOptions {
  readonly infoHash: Buffer;
  /** What the peer gets along with our half: a BitTorrent handshake. At most 65,535 bytes. */
  readonly initialPayload: Buffer;
}

export interface ResponderOptions extends SideOptions {
  /** The info-hash with this obfuscated hash; null: we do not have it. */
  find(obfuscated: Buffer): Buffer | null;
}

/** What both sides have agreed on. */
export interface Agreement {
  readonly infoHash: Buffer;
  /** One of MSE_METHODS. */
  readonly method: number;
  readonly encrypt: Rc4;
  readonly decrypt: Rc4;
  /** Bytes of encrypted initial payload that the peer sends next, whatever the method. */
  readonly initialBytes: number;
}

/** Our half as the one who dialled (MSE steps 1 and 3), and what the other's must be (2 and 4). */
export function* initiate(options: InitiatorOptions): Script<Agreement> {
  const { infoHash, methods, random, send, initialPayload } = options;
  const keys = new KeyAgreement(random.bytes(EXPONENT_BYTES));
  send(Buffer.concat([keys.publicKey, padding(random)]));
  const secret = keys.secret(yield KEY_BYTES);
  const encrypt = new Rc4(labelledHash('keyA', secret, infoHash));
  const decrypt = new Rc4(labelledHash('keyB', secret, infoHash));
  const name = xor(obfuscatedHash(infoHash), labelledHash('req3', secret));
  const offer = Buffer.concat([ZEROES, uint32(methods), uint16(0), uint16(initialPayload.length), initialPayload]);
  send(Buffer.concat([labelledHash('req1', secret), name, encrypt.apply(offer)]));
  yield* skipTo(decrypt.apply(Buffer.from(ZEROES)));
  const answer = decrypt.apply(yield 6);
  const method = answer.readUInt32BE(0);
  const isOne = method === MSE_METHODS.plaintext || method === MSE_METHODS.rc4;
  if (!isOne || (method & methods) === 0) throw new ProtocolError('mse', `selected method ${method} of ${methods}`);
  yield* skipPadding(decrypt, answer.readUInt16BE(4));
  return { infoHash, method, encrypt, decrypt, initialBytes: 0 };
}

/** Our half as the one who was dialled (steps 2 and 4). Nothing is computed before the peer's whole key is there. */
export function* respond(options: ResponderOptions): Script<Agreement> {
  const { methods, random, send } = options;
  const theirs = yield KEY_BYTES;
  const keys = new KeyAgreement(random.bytes(EXPONENT_BYTES));
  const secret = keys.secret(theirs);
  send(Buffer.concat([keys.publicKey, padding(random)]));
  yield* skipTo(labelledHash('req1', secret));
  const infoHash = options.find(xor(yield HASH_BYTES, labelledHash('req3', secret)));
  if (infoHash === null) throw new ProtocolError('mse', 'unknown info-hash');
  const encrypt = new Rc4(labelledHash('keyB', secret, infoHash));
  const decrypt = new Rc4(labelledHash('keyA', secret, infoHash));
  const offer = decrypt.apply(yield 14);
  if (ZEROES.compare(offer, 0, 8) !== 0) throw new ProtocolError('mse', 'a wrong verification constant');
  const method = choose(offer.readUInt32BE(8) & methods);
  yield* skipPadding(decrypt, offer.readUInt16BE(12));
  const initialBytes = decrypt.apply(yield 2).readUInt16BE(0);
  if (initialBytes > MAX_INITIAL_BYTES) throw new ProtocolError('mse', `${initialBytes} bytes of initial payload`);
  send(encrypt.apply(Buffer.concat([ZEROES, uint32(method), uint16(0)])));
  return { infoHash, method, encrypt, decrypt, initialBytes };
}

/** Plaintext where both allow it: the handshake has done its work, and the rest is cheap. */
function choose(common: number): number {
  if ((common & MSE_METHODS.plaintext) !== 0) return MSE_METHODS.plaintext;
  if ((common & MSE_METHODS.rc4) !== 0) return MSE_METHODS.rc4;
  throw new ProtocolError('mse', 'no method that both sides allow');
}

/** Reads up to and with `mark`, which padding of unknown length comes before. */
function* skipTo(mark: Buffer): Script<void> {
  const window = Buffer.from(yield mark.length);
  for (let skipped = 0; !window.equals(mark); skipped++) {
    if (skipped === MAX_PADDING_BYTES) throw new ProtocolError('mse', 'no mark after the longest padding');
    const [next] = yield 1;
    window.copyWithin(0, 1);
    window[window.length - 1] = next as number;
  }
}

function* skipPadding(decrypt: Rc4, length: number): Script<void> {
  if (length > MAX_PADDING_BYTES) throw new ProtocolError('mse', `padding of ${length} bytes`);
  decrypt.apply(yield length);
}

function padding(random: Random): Buffer {
  return random.bytes(random.int(MAX_PADDING_BYTES + 1));
}

function xor(bytes: Buffer, mask: Buffer): Buffer {
  return Buffer.from(bytes.map((byte, at) => byte ^ (mask[at] as number)));
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
