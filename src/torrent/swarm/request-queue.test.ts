import fc from 'fast-check';
import { expect, it } from 'vitest';
import { QUEUED_REQUESTS } from './limits.ts';
import { RequestQueue } from './request-queue.ts';

const BLOCK = 16_384;
type Fields = [index: number, begin: number, bytes: number];

function contents(queue: RequestQueue): Fields[] {
  const found: Fields[] = [];
  queue.scan((index, begin, length) => {
    found.push([index, begin, length]);
    return true;
  });
  return found;
}

it('is what a plain list of the same requests would be, whatever is put in, taken out and cancelled', () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('push' as const), block: fc.nat(200) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), block: fc.nat(200) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('shift' as const), block: fc.constant(0) }) },
  );
  const run = fc.property(fc.array(step, { maxLength: 600 }), (steps) => {
    const queue = new RequestQueue();
    let list: Fields[] = [];
    for (const { kind, block } of steps) {
      const [index, begin] = [block >> 3, (block & 7) * BLOCK];
      const at = list.findIndex((fields) => fields[0] === index && fields[1] === begin);
      if (kind === 'push') {
        expect(queue.push(index, begin, BLOCK - block)).toBe(at < 0);
        if (at < 0) list.push([index, begin, BLOCK - block]);
      } else if (kind === 'remove') {
        expect(queue.remove(index, begin)).toBe(at >= 0);
        list = list.filter((_, other) => other !== at);
      } else if (list.length > 0) {
        expect([queue.index, queue.begin, queue.bytes]).toEqual(list.shift());
        queue.shift();
      }
      expect(queue.length).toBe(list.length);
    }
    expect(contents(queue)).toEqual(list);
    expect(queue.totalBytes).toBe(list.reduce((sum, [, , bytes]) => sum + bytes, 0));
  });
  fc.assert(run, { numRuns: 200, seed: 3, endOnFailure: true });
});

it('takes no more than its limit, and after it is cleared as many again', () => {
  const queue = new RequestQueue();
  for (let round = 0; round < 2; round++) {
    for (let index = 0; index < QUEUED_REQUESTS; index++) expect(queue.push(index, 0, BLOCK)).toBe(true);
    expect([queue.isFull, queue.push(QUEUED_REQUESTS, 0, BLOCK)]).toEqual([true, false]);
    queue.clear();
    expect([queue.length, queue.totalBytes, contents(queue)]).toEqual([0, 0, []]);
  }
});
