// ./bae check: types, Biome, tidy and unit tests; what every commit must pass.
import { spawnSync } from 'node:child_process';

const steps: [string, string[]][] = [
  ['tsc', ['-p', 'tsconfig.json']],
  ['biome', ['check', '--error-on-warnings', '.']],
  ['vitest', ['run', '--project', 'unit', '--passWithNoTests']],
];
const root = new URL('..', import.meta.url).pathname;
for (const [name, args] of steps) {
  const done = spawnSync(`${root}node_modules/.bin/${name}`, args, { cwd: root, stdio: 'inherit' });
  if (done.status !== 0) process.exit(done.status ?? 1);
}
