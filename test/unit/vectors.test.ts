import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeVectors, VECTORS } from '../format/vectors.ts';

describe('test/vectors', () => {
  const made = makeVectors();
  const kept = readdirSync(VECTORS, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(VECTORS.length));

  it('has exactly the files that the code makes', () => {
    expect(kept.toSorted()).toEqual([...made.keys()].toSorted());
  });

  it.each([...made.keys()])('%s is made to the very same bytes', (path) => {
    expect(readFileSync(join(VECTORS, path)).equals(made.get(path) as Buffer)).toBe(true);
  });
});
