// ./bae check: types, style, tidy and unit tests; what every commit must pass. Quiet when all is well.
import { runLane, STYLE, TYPES, UNIT, WEB_TYPES } from './step.ts';

const began = performance.now();
// Two lanes, since two cores are what a small machine has.
const outcomes = (await Promise.all([runLane(TYPES, WEB_TYPES, STYLE), runLane(UNIT)])).flat();
const failed = outcomes.filter((outcome) => !outcome.ok);
for (const { step, output } of failed) process.stdout.write(`== ${step.name}\n${output}\n`);
const names = (failed.length > 0 ? failed : outcomes).map((outcome) => outcome.step.name).join(', ');
const seconds = ((performance.now() - began) / 1000).toFixed(1);
process.stdout.write(`check: ${names} ${failed.length > 0 ? 'failed' : 'passed'} in ${seconds} s\n`);
process.exitCode = failed.length > 0 ? 1 : 0;
