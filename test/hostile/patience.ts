import { setTimeout as delay } from 'node:timers/promises';

/**
 * What is sent away at once is over soon: what it cost is seen beside so much time that follows, in which it would go on were
 * there no limit.
 */
export const AFTER_MILLISECONDS = 2_000;

const POLL_MILLISECONDS = 20;
const PATIENCE_MILLISECONDS = 6_000;

/** Whether something comes to be in a time that a busy machine needs, too. */
export async function comesTrue(holds: () => boolean, milliseconds = PATIENCE_MILLISECONDS): Promise<boolean> {
  const began = performance.now();
  while (!holds() && performance.now() - began < milliseconds) await delay(POLL_MILLISECONDS);
  return holds();
}
