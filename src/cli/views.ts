import type { ImportView } from '../http/ports.ts';

/** An import as `bae imports --json` gives it. */
export function importFields(answer: ImportView) {
  const { id, name, infoHash, state, identification, progress, error } = answer;
  return { id, name, infoHash, state, identification, progress, error };
}
