import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodeHandshake,
  HANDSHAKE_BYTES,
  type Handshake,
  HandshakeDecoder,
  startsLikeHandshake,
} from './handshake.ts';
import { ProtocolError } from './protocol.ts';

const HANDSHAKE: Handshake = {
  infoHash: Buffer.alloc(20, 0xab),
  peerId: Buffer.from('-BA0100-abcdefghijkl'),
  features: { extended: true, fast: true, dht: false },
};

describe('handshake', () => {
  it('has the bytes of the protocol', () => {
    const bytes = encodeHandshake(HANDSHAKE);
    expect(bytes).toHaveLength(HANDSHAKE_BYTES);
    expect(bytes.subarray(0, 28).toString('latin1')).toBe('\x13BitTorrent protocol\0\0\0\0\0\x10\0\x04');
    const features = { extended: false, fast: false, dht: true };
    expect(
      encodeHandshake({ ...HANDSHAKE, features })
        .subarray(20, 28)
        .toString('hex'),
    ).toBe('0000000000000001');
    expect(() => encodeHandshake({ ...HANDSHAKE, peerId: Buffer.alloc(19) })).toThrow(RangeError);
  });

  it('is read however it is cut, and the rest is given back', () => {
    const stream = Buffer.concat([encodeHandshake(HANDSHAKE), Buffer.from('rest')]);
    for (let cut = 0; cut <= stream.length; cut++) {
      const decoder = new HandshakeDecoder();
      const rest = [stream.subarray(0, cut), stream.subarray(cut)].map((chunk) => decoder.push(chunk));
      expect(Buffer.concat(rest).toString()).toBe('rest');
      expect(decoder.handshake).toEqual(HANDSHAKE);
    }
  });

  it('knows the info-hash before the peer id', () => {
    const bytes = encodeHandshake(HANDSHAKE);
    const decoder = new HandshakeDecoder();
    decoder.push(bytes.subarray(0, 47));
    expect(decoder.infoHash).toBeNull();
    decoder.push(bytes.subarray(47, 48));
    expect(decoder.infoHash).toEqual(HANDSHAKE.infoHash);
    expect(decoder.handshake).toBeNull();
  });

  it('ignores reserved bits it does not know', () => {
    const bytes = encodeHandshake(HANDSHAKE);
    bytes.fill(0xff, 20, 28);
    const decoder = new HandshakeDecoder();
    decoder.push(bytes);
    expect(decoder.handshake?.features).toEqual({ extended: true, fast: true, dht: true });
  });

  it('refuses the first byte that is not BitTorrent', () => {
    for (let at = 0; at < 20; at++) {
      const bytes = encodeHandshake(HANDSHAKE).subarray(0, at + 1);
      expect(startsLikeHandshake(bytes)).toBe(true);
      bytes[at] = (bytes[at] as number) ^ 1;
      expect(startsLikeHandshake(bytes)).toBe(false);
      expect(() => new HandshakeDecoder().push(bytes)).toThrow(ProtocolError);
    }
    expect(startsLikeHandshake(Buffer.alloc(0))).toBe(true);
  });

  it('throws nothing but ProtocolError', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 100 })), (chunks) => {
        const decoder = new HandshakeDecoder();
        try {
          for (const chunk of chunks) decoder.push(Buffer.from(chunk));
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
    );
  });
});
