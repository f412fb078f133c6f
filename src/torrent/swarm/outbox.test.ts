import { expect, it } from 'vitest';
import { OUTBOX_PAGE_BYTES, SINGLE_MESSAGES } from './limits.ts';
import { Outbox } from './outbox.ts';

const messages = (count: number, bytes = 17) => Array.from({ length: count }, (_, at) => Buffer.alloc(bytes, at));

it('hands over a few messages as they are', () => {
  const outbox = new Outbox();
  const few = messages(SINGLE_MESSAGES);
  for (const message of few) outbox.push(message);
  expect(outbox.bytes).toBe(17 * few.length);
  expect(outbox.take()).toEqual({ buffers: few, written: undefined });
  expect([outbox.bytes, outbox.take().buffers]).toEqual([0, []]);
});

it('hands over many in few buffers, in their order, whose memory is given back when they were taken', () => {
  const outbox = new Outbox();
  const many = [...messages(5_000), Buffer.alloc(OUTBOX_PAGE_BYTES + 1, 7), ...messages(3), Buffer.alloc(40_000, 9)];
  for (const message of many) outbox.push(message);
  expect(outbox.bytes).toBe(Buffer.concat(many).length);
  const { buffers, written } = outbox.take();
  expect(Buffer.concat(buffers).equals(Buffer.concat(many))).toBe(true);
  expect(buffers.length).toBeLessThan(SINGLE_MESSAGES + 5 + (17 * 5_000) / (OUTBOX_PAGE_BYTES - 17));
  written?.();
  expect(buffers.slice(SINGLE_MESSAGES).map(({ length }) => length)).toEqual(
    buffers.slice(SINGLE_MESSAGES).map(() => 0),
  );
  outbox.push(Buffer.from('next'));
  expect(outbox.take().buffers).toEqual([Buffer.from('next')]);
});
