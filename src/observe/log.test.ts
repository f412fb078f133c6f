import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const LOG = fileURLToPath(new URL('./log.ts', import.meta.url));

it('writes an error’s words, and text as it is', async () => {
  const program = `import { createLog } from ${JSON.stringify(LOG)};
    const log = createLog('info');
    log.error('one', { error: new TypeError('what happened') });
    log.error('two', { error: 'words' });`;
  const args = ['--input-type=module', '--eval', program];
  const { stderr } = await promisify(execFile)(process.execPath, args);
  const lines = stderr.trim().split('\n').slice(-2);
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { msg: 'one', error: 'what happened' },
    { msg: 'two', error: 'words' },
  ]);
});
