// Inputs that are kept: made by hand, found to reach what others do not, or once the end of a parser.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const CORPUS = new URL('corpus/', import.meta.url);
/** Longer inputs are not kept by themselves, in bytes. */
const MOST_KEPT_BYTES = 16_384;
const NAME_DIGITS = 12;

const folderOf = (target: string) => fileURLToPath(new URL(`${target}/`, CORPUS));

/** The files kept for a parser, by name; none where there is no folder. */
export function corpusOf(target: string): { name: string; input: Buffer }[] {
  const folder = folderOf(target);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort()
    .map((name) => ({ name, input: readFileSync(`${folder}${name}`) }));
}

/** Keeps inputs, each under its hash. Returns how many there were that are not too long. */
export function keep(target: string, inputs: readonly Buffer[]): number {
  const folder = folderOf(target);
  mkdirSync(folder, { recursive: true });
  const short = inputs.filter(({ length }) => length <= MOST_KEPT_BYTES);
  for (const input of short) {
    const name = createHash('sha1').update(input).digest('hex').slice(0, NAME_DIGITS);
    writeFileSync(`${folder}${name}`, input);
  }
  return short.length;
}
