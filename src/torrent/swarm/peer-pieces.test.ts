import { expect, test } from 'vitest';
import { PeerPieces } from './peer-pieces.ts';

test('a later list tells only what was not known, and takes nothing away', () => {
  const peer = new PeerPieces(10);
  peer.tell(Buffer.from([0b1100_0000, 0]));
  expect(peer.news(Buffer.from([0b0110_0001, 0b1000_0000]))).toEqual([2, 7, 8]);
  for (const index of [2, 7, 8]) expect(peer.have(index)).toBe(true);
  expect(peer.news('none')).toEqual([]);
  expect(peer.news('all')).toEqual([3, 4, 5, 6, 9]);
  expect(peer.pieces?.count).toBe(5);
  peer.tell('all');
  expect([peer.full, peer.news('all')]).toEqual([true, []]);
});

test('what is said before the piece count is known is kept', () => {
  const peer = new PeerPieces(null);
  peer.tell(Buffer.from([0b1000_0000]));
  peer.have(3);
  peer.setCount(5);
  expect([peer.pieces?.has(0), peer.pieces?.has(3), peer.pieces?.count]).toEqual([true, true, 2]);
  const wrong = new PeerPieces(null);
  wrong.tell(Buffer.from([0b1000_0001]));
  expect(() => wrong.setCount(5)).toThrow();
});
