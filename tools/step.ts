import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The root of the repository, with a slash at its end. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** A program of node_modules/.bin that checks something. */
export interface Step {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
}

export const TYPES: Step = { name: 'types', program: 'tsc', args: ['-p', 'tsconfig.json'] };
export const WEB_TYPES: Step = { name: 'web types', program: 'tsc', args: ['-p', 'web/tsconfig.json'] };
export const STYLE: Step = {
  name: 'style',
  program: 'biome',
  args: ['check', '--error-on-warnings', '--max-diagnostics=none', '.'],
};
export const UNIT: Step = {
  name: 'unit tests',
  program: 'vitest',
  args: ['run', '--project', 'unit', '--maxWorkers=100%'],
};

export interface Outcome {
  readonly step: Step;
  readonly ok: boolean;
  /** What it wrote, both streams as they came; empty when it wrote straight to the terminal. */
  readonly output: string;
}

/** Runs a step in the root and keeps what it writes, or shows it as it comes. Ends it after `limitMilliseconds`. */
export function runStep(
  step: Step,
  options: { show?: boolean; extraArgs?: readonly string[]; limitMilliseconds?: number } = {},
): Promise<Outcome> {
  const { show = false, extraArgs = [], limitMilliseconds } = options;
  const child = spawn(`${ROOT}node_modules/.bin/${step.program}`, [...step.args, ...extraArgs], {
    cwd: ROOT,
    stdio: ['ignore', show ? 'inherit' : 'pipe', show ? 'inherit' : 'pipe'],
    ...(limitMilliseconds === undefined ? {} : { timeout: limitMilliseconds, killSignal: 'SIGTERM' as const }),
  });
  const parts: Buffer[] = [];
  child.stdout?.on('data', (part: Buffer) => parts.push(part));
  child.stderr?.on('data', (part: Buffer) => parts.push(part));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => {
      if (signal !== null) parts.push(Buffer.from(`${step.name}: ended by ${signal}\n`));
      resolve({ step, ok: status === 0, output: Buffer.concat(parts).toString() });
    });
  });
}

/** Runs steps one after the other, all of them, whatever the first ones say. */
export async function runLane(...steps: readonly Step[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const step of steps) outcomes.push(await runStep(step));
  return outcomes;
}
