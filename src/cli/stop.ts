import { setTimeout as wait } from 'node:timers/promises';
import { BaeError } from '../lib/errors.ts';
import { NoServerError } from './client.ts';
import type { Context } from './context.ts';

/** The server tells trackers for up to 10 s, then stops within 10 s; a little more for a busy machine. */
const GONE_MILLISECONDS = 25_000;
const LOOK_AGAIN_MILLISECONDS = 100;

/** `bae stop`: asks the server to stop and waits until it is gone. */
export async function runStop(context: Context): Promise<void> {
  await context.client.post('/stop');
  const until = performance.now() + GONE_MILLISECONDS;
  while (performance.now() < until) {
    try {
      await context.client.get('/stats');
    } catch (error) {
      if (!(error instanceof NoServerError)) throw error;
      context.print({ stopped: true }, 'Stopped.');
      return;
    }
    await wait(LOOK_AGAIN_MILLISECONDS);
  }
  throw new BaeError('failed', 'The server was asked to stop and still runs; its log says what it waits for.');
}
