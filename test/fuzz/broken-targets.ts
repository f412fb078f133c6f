// Parsers that are broken, each in its way, to see that it is seen.
import fc from 'fast-check';
import type { Target } from './driver.ts';

const broken = (name: string, read: () => unknown): Target => {
  return { name, read, isRefusal: () => false, drawn: fc.constant(Buffer.from('one')) };
};

export const TARGETS: readonly Target[] = [
  broken('endless', () => {
    let turns = 0;
    while (turns >= 0) turns++;
  }),
  broken('hungry', () => {
    for (const kept: number[][] = []; ; ) kept.push(new Array(100_000).fill(kept.length));
  }),
  broken('unanswered', () => new Promise(() => undefined)),
];
