import { expect, test } from 'vitest';
import { EMPTY_REPLY, announceScene as scene } from '../../../test/parts/scripted-tracker.ts';
import { ANNOUNCE_MILLISECONDS, FIRST_RETRY_SECONDS } from './limits.ts';
import { type AnnounceReply, TrackerError } from './ports.ts';

test('a tracker that says nothing is given up after 30 s, and is asked again as one that cannot be reached', async () => {
  const seconds = ANNOUNCE_MILLISECONDS / 1_000;
  expect(seconds).toBe(30);
  const { add, pass, calls } = scene((_url, _request, signal) => {
    if (calls.length > 1) return EMPTY_REPLY;
    return new Promise<AnnounceReply>((_, reject) => {
      signal.addEventListener('abort', () => reject(new TrackerError('unreachable', 'no answer in time')));
    });
  });
  const handle = add([['http://silent/']]);
  await pass(seconds - 1);
  expect(handle.session.status()[0]).not.toMatchObject({ message: 'no answer in time' });
  await pass(2);
  expect([calls.length, handle.session.status()[0]?.message]).toEqual([1, 'no answer in time']);
  await pass(2 * FIRST_RETRY_SECONDS);
  expect([calls.length, handle.session.status()[0]?.state]).toEqual([2, 'working']);
});
