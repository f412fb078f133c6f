import { BaeError } from '../lib/errors.ts';

/** `t12`, `r3`, `i7`: a letter for the kind, then a number. */
export function parseId(id: string, kinds: string): { kind: string; number: number } {
  const match = /^([a-z])([1-9]\d{0,14})$/.exec(id);
  const kind = match?.[1] ?? '';
  if (match === null || !kinds.includes(kind)) {
    const examples = [...kinds].map((letter) => `${letter}1`).join(' or ');
    throw new BaeError('not-found', `Nothing has the id ${id.slice(0, 32)}: ids look like ${examples}.`);
  }
  return { kind, number: Number(match[2]) };
}
