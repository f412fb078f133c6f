// npm run bench <name> [-- arguments]: runs bench/<name>.ts; without a name, lists what there is.
import { readdir } from 'node:fs/promises';
import { ROOT } from './step.ts';

const files = await readdir(`${ROOT}bench`);
const names = files.filter((file) => file.endsWith('.ts')).map((file) => file.slice(0, -'.ts'.length));
const [name, ...args] = process.argv.slice(2);
if (name !== undefined && names.includes(name)) {
  const file = `${ROOT}bench/${name}.ts`;
  process.argv.splice(1, process.argv.length, file, ...args);
  await import(file);
} else {
  process.stdout.write(`${name === undefined ? '' : `no bench ${name}; `}there are: ${names.sort().join(', ')}\n`);
  process.exitCode = name === undefined ? 0 : 2;
}
