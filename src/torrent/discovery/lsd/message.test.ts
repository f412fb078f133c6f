import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LSD_COOKIE_CHARS, LSD_HASHES, LSD_PACKET_BYTES } from './limits.ts';
import { decodeLocalAnnounce, encodeLocalAnnounce } from './message.ts';

const HASH = '0123456789abcdef0123456789abcdef01234567';
const packet = (...lines: string[]) =>
  Buffer.from(`BT-SEARCH * HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n\r\n`, 'latin1');
const GOOD = ['Host: 239.192.152.143:6771', 'Port: 6881', `Infohash: ${HASH}`];

describe('packets of local service discovery', () => {
  it('are written as BEP 14 says and read back', () => {
    const announce = { port: 6881, infoHashes: [Buffer.from(HASH, 'hex'), Buffer.alloc(20, 7)], cookie: 'a1' };
    const bytes = encodeLocalAnnounce('[ff15::efc0:988f]:6771', announce);
    expect(bytes.toString()).toBe(
      `BT-SEARCH * HTTP/1.1\r\nHost: [ff15::efc0:988f]:6771\r\nPort: 6881\r\nInfohash: ${HASH}\r\n` +
        `Infohash: ${'07'.repeat(20)}\r\ncookie: a1\r\n\r\n\r\n`,
    );
    expect(decodeLocalAnnounce(bytes)).toEqual(announce);
    expect(decodeLocalAnnounce(encodeLocalAnnounce('x', { ...announce, cookie: null }))?.cookie).toBeNull();
  });

  it('fit in one frame with as many hashes as they may hold', () => {
    const infoHashes = Array.from({ length: LSD_HASHES }, (_, at) => Buffer.alloc(20, at));
    const bytes = encodeLocalAnnounce('[ff15::efc0:988f]:6771', { port: 65_535, infoHashes, cookie: '12345678' });
    expect(bytes.length).toBeLessThanOrEqual(LSD_PACKET_BYTES);
    expect(decodeLocalAnnounce(bytes)?.infoHashes).toEqual(infoHashes);
    const more = { port: 1, infoHashes: [...infoHashes, Buffer.alloc(20)], cookie: null };
    expect(() => encodeLocalAnnounce('x', more)).toThrow(RangeError);
  });

  it.each<[string, Buffer]>([
    ['as others write them', packet(...GOOD)],
    [
      'with other headers, letters and spaces',
      packet('HOST:x', 'port:\t6881 ', `INFOHASH: ${HASH.toUpperCase()}`, 'X-y: z'),
    ],
    ['without a host', packet('Port: 6881', `Infohash: ${HASH}`)],
    ['with one empty line', Buffer.from(`BT-SEARCH * HTTP/1.1\r\n${GOOD.join('\r\n')}\r\n\r\n`)],
  ])('are read %s', (_, bytes) => {
    expect(decodeLocalAnnounce(bytes)).toEqual({ port: 6881, infoHashes: [Buffer.from(HASH, 'hex')], cookie: null });
  });

  it.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['no end', Buffer.from(`BT-SEARCH * HTTP/1.1\r\n${GOOD.join('\r\n')}\r\n`)],
    [
      'another method',
      Buffer.from(
        packet(...GOOD)
          .toString()
          .replace('BT-SEARCH', 'M-SEARCH'),
      ),
    ],
    ['bytes behind the end', Buffer.concat([packet(...GOOD), Buffer.from('x')])],
    ['a line that is no header', packet(...GOOD, 'hello')],
    ['a line feed alone', packet(...GOOD, 'a: b\nPort: 5')],
    ['no port', packet(GOOD[0] as string, GOOD[2] as string)],
    ['two ports', packet(...GOOD, 'Port: 6882')],
    ['port 0', packet('Port: 0', `Infohash: ${HASH}`)],
    ['port 65536', packet('Port: 65536', `Infohash: ${HASH}`)],
    ['a port with a sign', packet('Port: +1', `Infohash: ${HASH}`)],
    ['no hash', packet('Port: 6881')],
    ['a short hash', packet('Port: 6881', `Infohash: ${HASH.slice(2)}`)],
    ['a hash that is none', packet('Port: 6881', `Infohash: ${'z'.repeat(40)}`)],
    ['one wrong hash among good ones', packet(...GOOD, 'Infohash: x')],
    ['two cookies', packet(...GOOD, 'cookie: a', 'cookie: b')],
    ['a long cookie', packet(...GOOD, `cookie: ${'a'.repeat(LSD_COOKIE_CHARS + 1)}`)],
    ['too many bytes', packet(...GOOD, `x: ${'a'.repeat(LSD_PACKET_BYTES)}`)],
  ])('are not read with %s', (_, bytes) => {
    expect(decodeLocalAnnounce(bytes)).toBeNull();
  });

  it('throw nothing, whatever comes', () => {
    const line = fc.oneof(fc.constantFrom(...GOOD, 'Port:', 'cookie: x', '', ':'), fc.string());
    const near = fc.array(line, { maxLength: 8 }).map((lines) => packet(...lines));
    const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
    fc.assert(
      fc.property(fc.oneof(near, bytes), (given) => {
        const read = decodeLocalAnnounce(given);
        if (read === null) return;
        expect(read.port > 0 && read.port < 65_536 && read.infoHashes.length > 0).toBe(true);
        for (const hash of read.infoHashes) expect(hash.length).toBe(20);
      }),
      { numRuns: 500 },
    );
  });
});
