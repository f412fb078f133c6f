import { describe, expect, it } from 'vitest';
import { allowedFastSet } from './allowed-fast.ts';
import { MessageDecoder } from './decoder.ts';
import { encodeMessage } from './encoder.ts';
import { messageSink } from './message-sink.ts';
import { crc32c, peerPriority } from './peer-priority.ts';
import type { Message } from './protocol.ts';

const ONE_OF_EACH: Message[] = [
  { type: 'keepAlive' },
  { type: 'choke' },
  { type: 'unchoke' },
  { type: 'interested' },
  { type: 'notInterested' },
  { type: 'have', index: 12 },
  { type: 'bitfield', bytes: Buffer.from([0xff, 0xf8]) },
  { type: 'request', index: 1, begin: 16_384, length: 16_384 },
  { type: 'piece', index: 0xffffffff, begin: 0x80000000, data: Buffer.from('a block') },
  { type: 'cancel', index: 1, begin: 2, length: 3 },
  { type: 'port', port: 65_535 },
  { type: 'suggest', index: 4 },
  { type: 'haveAll' },
  { type: 'haveNone' },
  { type: 'reject', index: 5, begin: 6, length: 7 },
  { type: 'allowedFast', index: 8 },
  { type: 'extended', id: 3, payload: Buffer.from('d1:ai1ee') },
];

function decodeAll(chunks: readonly Buffer[], pieceCount: number | null = 13): Message[] {
  const found: Message[] = [];
  const decoder = new MessageDecoder({ pieceCount, fast: true, extended: true });
  for (const chunk of chunks)
    decoder.push(
      chunk,
      messageSink((message) => found.push(message)),
    );
  return found;
}

describe('message decoder', () => {
  const stream = Buffer.concat(ONE_OF_EACH.map(encodeMessage));

  it('reads back one of each, however the stream is cut', () => {
    expect(decodeAll([stream])).toEqual(ONE_OF_EACH);
    for (let cut = 1; cut < stream.length; cut++) {
      expect(decodeAll([stream.subarray(0, cut), stream.subarray(cut)])).toEqual(ONE_OF_EACH);
    }
    for (let size = 1; size < 30; size++) {
      const chunks: Buffer[] = [];
      for (let at = 0; at < stream.length; at += size) chunks.push(stream.subarray(at, at + size));
      expect(decodeAll(chunks)).toEqual(ONE_OF_EACH);
    }
  });
});

describe('vectors', () => {
  it('makes the allowed fast set of BEP 6', () => {
    const infoHash = Buffer.alloc(20, 0xaa);
    expect(allowedFastSet(infoHash, '80.4.4.200', 1313, 7)).toEqual([1059, 431, 808, 1217, 287, 376, 1188]);
    expect(allowedFastSet(infoHash, '80.4.4.200', 1313, 9)).toEqual([1059, 431, 808, 1217, 287, 376, 1188, 353, 508]);
  });

  it('makes the priorities of BEP 40', () => {
    const peer = (host: string, port = 0) => ({ host, port });
    expect(peerPriority(peer('123.213.32.10'), peer('98.76.54.32'))).toBe(0xec2d7224);
    expect(peerPriority(peer('123.213.32.234'), peer('123.213.32.10'))).toBe(0x99568189);
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  });
});
