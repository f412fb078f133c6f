// Dials with an encrypted handshake (MSE) of its own making, so that any part of it can be wrong.
import { createDiffieHellman, createHash } from 'node:crypto';

/** The prime of MSE's group, by its other form: 2^768 - 2^704 + c. */
const C =
  'C90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A63A36210000000000090563';
export const MSE_PRIME = (1n << 768n) - (1n << 704n) + BigInt(`0x${C}`);
export const KEY_BYTES = 96;
/** RC4 of MSE begins behind so many bytes of its key stream. */
const DISCARDED_BYTES = 1_024;
const PLAINTEXT_OR_RC4 = 3;

/** A public key as it is sent. */
export const keyBytes = (key: bigint) => Buffer.from(key.toString(16).padStart(2 * KEY_BYTES, '0'), 'hex');

/** What the dialler says in its second step; all but the info-hash has a value that is right. */
export interface Offer {
  readonly infoHash: Buffer;
  /** In place of HASH('req1', S), HASH('req2', SKEY) xor HASH('req3', S), the verification constant. */
  readonly mark?: Buffer;
  readonly name?: Buffer;
  readonly constant?: Buffer;
  /** crypto_provide. */
  readonly methods?: number;
  /** What is said to be the length of PadC and of the initial payload, and what is sent of each. */
  readonly paddingBytes?: number;
  readonly padding?: Buffer;
  readonly initialBytes?: number;
  readonly initial?: Buffer;
  /** Behind all that, encrypted too. */
  readonly rest?: Buffer;
}

export class MseDialler {
  readonly #group = createDiffieHellman(keyBytes(MSE_PRIME), Buffer.of(2));
  /** 96 bytes. */
  readonly publicKey = padded(this.#group.generateKeys());

  /** The second step, for one who answered the first with this key (96 bytes). */
  offer(theirKey: Buffer, offer: Offer): Buffer {
    const secret = padded(this.#group.computeSecret(theirKey));
    const name = xor(sha1('req2', offer.infoHash), sha1('req3', secret));
    const { padding = Buffer.alloc(0), initial = Buffer.alloc(0), rest = Buffer.alloc(0) } = offer;
    const { constant = Buffer.alloc(8), methods = PLAINTEXT_OR_RC4 } = offer;
    const plain = Buffer.concat([
      ...[constant, number(methods, 4), number(offer.paddingBytes ?? padding.length, 2), padding],
      ...[number(offer.initialBytes ?? initial.length, 2), initial, rest],
    ]);
    const encrypted = rc4(sha1('keyA', secret, offer.infoHash), plain);
    return Buffer.concat([offer.mark ?? sha1('req1', secret), offer.name ?? name, encrypted]);
  }
}

function sha1(label: string, ...parts: readonly Buffer[]): Buffer {
  return createHash('sha1')
    .update(Buffer.concat([Buffer.from(label), ...parts]))
    .digest();
}

function rc4(key: Buffer, plain: Buffer): Buffer {
  const state = Uint8Array.from({ length: 256 }, (_, at) => at);
  const at = (index: number) => state[index & 255] as number;
  const swap = (one: number, other: number) => {
    [state[one & 255], state[other & 255]] = [at(other), at(one)];
  };
  for (let one = 0, other = 0; one < 256; one++) {
    other += at(one) + (key[one % key.length] as number);
    swap(one, other);
  }
  let [one, other] = [0, 0];
  const next = () => {
    other += at(++one);
    swap(one, other);
    return at(at(one) + at(other));
  };
  for (let count = 0; count < DISCARDED_BYTES; count++) next();
  return Buffer.from(plain.map((byte) => byte ^ next()));
}

const xor = (bytes: Buffer, mask: Buffer) => Buffer.from(bytes.map((byte, at) => byte ^ (mask[at] as number)));
const padded = (key: Buffer) => Buffer.concat([Buffer.alloc(KEY_BYTES - key.length), key]);

function number(value: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  bytes.writeUIntBE(value, 0, length);
  return bytes;
}
