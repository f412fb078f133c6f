import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);
const CLOCK = new URL('./clock.ts', import.meta.url).href;

/** Runs a module that sleeps on the clock at its top level. */
const sleeper = (before: string, after: string) => {
  const code = `import { keepAlive, sleep, systemClock } from '${CLOCK}';
    ${before} await sleep(systemClock, 100); console.log('slept'); ${after}`;
  return run(process.execPath, ['--input-type=module-typescript', '--eval', code]);
};

test('a clock’s timers keep no process alive; keepAlive does, until it is cancelled', async () => {
  // Node's exit code 13: the event loop is empty and a top-level await never settled.
  await expect(sleeper('', '')).rejects.toMatchObject({ code: 13, stdout: '' });
  expect((await sleeper('const alive = keepAlive();', 'alive.cancel();')).stdout).toBe('slept\n');
});
