import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { KeyIndex } from './key-index.ts';

const hashOf = (number: number) => createHash('sha1').update(String(number)).digest();

describe('an index of 20-byte keys', () => {
  test('holds 100,000, finds each and no other, and forgets those taken out', () => {
    const index = new KeyIndex(20);
    const keys = Array.from({ length: 100_000 }, (_, slot) => hashOf(slot));
    for (const [slot, key] of keys.entries()) index.add(slot, key);
    expect(index.size).toBe(100_000);
    expect(keys.every((key, slot) => index.find(key) === slot && index.keyOf(slot).equals(key))).toBe(true);
    for (let number = 0; number < 10_000; number++) expect(index.find(hashOf(-1 - number))).toBe(-1);
    for (let slot = 0; slot < 100_000; slot += 2) index.delete(slot);
    expect(index.size).toBe(50_000);
    expect(keys.every((key, slot) => index.find(key) === (slot % 2 === 0 ? -1 : slot))).toBe(true);
  });

  test('tells keys apart that begin alike, in whatever order they come and go', () => {
    const index = new KeyIndex(20);
    const there = new Map<number, Buffer>();
    // 40 keys whose first four bytes are one of two words, as an attacker might make them.
    const keys = Array.from({ length: 40 }, (_, slot) => {
      const key = hashOf(slot);
      key.writeUInt32LE(slot % 2 === 0 ? 0xdeadbeef : 0xdeadbef0);
      return key;
    });
    let state = 1;
    for (let step = 0; step < 20_000; step++) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      const slot = (state >>> 8) % keys.length;
      const key = keys[slot] as Buffer;
      if (there.delete(slot)) index.delete(slot);
      else {
        index.add(slot, key);
        there.set(slot, key);
      }
      const other = (state >>> 16) % keys.length;
      expect(index.find(keys[other] as Buffer)).toBe(there.has(other) ? other : -1);
    }
    expect(index.size).toBe(there.size);
  });

  test('stays as it is through a million comings and goings', () => {
    const index = new KeyIndex(20);
    const seventh = hashOf(7);
    for (let slot = 0; slot < 60; slot++) index.add(slot, hashOf(slot));
    for (let round = 0; round < 1_000_000; round++) {
      if (round % 2 === 0) index.delete(7);
      else index.add(7, seventh);
    }
    expect(index.size).toBe(60);
    for (let slot = 0; slot < 60; slot++) expect(index.find(hashOf(slot))).toBe(slot);
  });

  test('refuses a key that is there, one of another length, and a slot that is not there', () => {
    const index = new KeyIndex(20);
    index.add(3, hashOf(3));
    expect(() => index.add(4, hashOf(3))).toThrow(RangeError);
    expect(() => index.add(4, Buffer.alloc(19))).toThrow(RangeError);
    expect(() => index.delete(4)).toThrow(RangeError);
    expect(index.find(hashOf(3))).toBe(3);
  });
});
