// One parser in a thread of its own, where an endless loop or too much memory can be ended.
import { parentPort, workerData } from 'node:worker_threads';
import { Coverage } from './coverage.ts';
import type { Target } from './driver.ts';
import { type Order, writeInput } from './watched.ts';

// Begun before any of our code is loaded, since only what is compiled from then on is seen block by block.
const coverage = await Coverage.begin();
const { distil, fuzz } = await import('./driver.ts');

const { name, module, shared, distilled, ...options } = workerData as Order;
const { TARGETS } = (await import(module)) as { TARGETS: readonly Target[] };
const target = TARGETS.find((one) => one.name === name);
if (target === undefined) throw new Error(`there is no parser ${name}`);
const watch = (input: Buffer) => writeInput(shared, input);
if (distilled === null) {
  parentPort?.postMessage(await fuzz(target, { ...options, coverage, watch }));
} else {
  const inputs = distilled.map((input) => Buffer.from(input));
  parentPort?.postMessage(await distil(target, inputs, coverage, watch));
}
coverage.end();
