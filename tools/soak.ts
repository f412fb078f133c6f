// npm run soak: the tests that take too long for every change; arguments go on to Vitest.
import { runStep } from './step.ts';

const step = { name: 'soak tests', program: 'vitest', args: ['run', '--project', 'soak'] };
const { ok } = await runStep(step, { show: true, extraArgs: process.argv.slice(2) });
process.exitCode = ok ? 0 : 1;
