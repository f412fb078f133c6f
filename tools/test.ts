// npm test: the real programs, types, style, unit tests and system tests; ends with `N passed, N failed`.
// A skipped test, a missing program or no test at all is a failure.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureParts } from '../test/parts/install.ts';
import { type Count, countReport } from './count.ts';
import { runLane, runStep, STYLE, type Step, TYPES, UNIT, WEB_TYPES } from './step.ts';

const SYSTEM: Step = { name: 'system tests', program: 'vitest', args: ['run', '--project', 'system'] };
const UNIT_LIMIT_MILLISECONDS = 5 * 60_000;
const SYSTEM_LIMIT_MILLISECONDS = 35 * 60_000;

const say = (line: string) => process.stdout.write(`${line}\n`);

/** Runs a Vitest project, showing it live, and counts its report. */
async function runTests(step: Step, folder: string, limitMilliseconds: number): Promise<Count> {
  const file = join(folder, `${step.name}.json`);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  const { ok } = await runStep(step, { show: true, extraArgs: reporters, limitMilliseconds });
  const json = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    say(
      `${step.name}: no report, since they ended before their end or within ${limitMilliseconds / 60_000} minutes: ${error.code}`,
    );
    return undefined;
  });
  return countReport(json, ok);
}

async function main(folder: string): Promise<number> {
  say('== programs');
  const missing = await ensureParts();
  for (const what of missing) say(what);

  say('== types, style');
  const wrong = (await runLane(TYPES, WEB_TYPES, STYLE)).filter((outcome) => !outcome.ok);
  for (const { output } of wrong) say(output);

  say('== unit tests');
  const counts = [await runTests(UNIT, folder, UNIT_LIMIT_MILLISECONDS)];
  say('== system tests');
  if (missing.length === 0) counts.push(await runTests(SYSTEM, folder, SYSTEM_LIMIT_MILLISECONDS));
  else say('not run: programs they need are missing (see above)');

  const skipped = counts.flatMap((count) => count.skipped);
  for (const name of skipped) say(`skipped, which is a failure here: ${name}`);
  for (const { step } of wrong) say(`failed: ${step.name} (see above)`);
  for (const what of missing) say(`failed: ${what}`);
  const passed = counts.reduce((sum, count) => sum + count.passed, 0);
  const failed = counts.reduce((sum, count) => sum + count.failed, skipped.length + wrong.length + missing.length);
  say(`${passed} passed, ${failed} failed`);
  return failed > 0 || passed === 0 ? 1 : 0;
}

const folder = await mkdtemp(join(tmpdir(), 'bae-test-'));
try {
  process.exitCode = await main(folder);
} finally {
  await rm(folder, { recursive: true });
}
