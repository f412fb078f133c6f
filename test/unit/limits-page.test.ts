// docs/limits.md says which test goes over which limit: constants, files and tests must be there.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string) => (existsSync(ROOT + path) ? readFileSync(ROOT + path, 'utf8') : '');

/** Rows of its tables, cells without blanks at either end. */
function rows(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| limit '))
    .map((line) => line.split('|').slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim()));
}

/** What is wrong with a row; null for nothing. */
function problem([limit = '', constant = '', test = '']: readonly string[]): string | null {
  const [, name = '', file = ''] = /^`(\w+)` (\S+)$/.exec(constant) ?? [];
  if (name === '' || !new RegExp(`\\b${name}\\b`).test(read(file))) return `${limit}: ${file} has no ${name}`;
  const [, testFile = '', title = ''] = /^(\S+\.test\.ts) "(.+)"$/.exec(test) ?? [];
  if (title !== '' && read(testFile).includes(title)) return null;
  return `${limit}: ${testFile} has no test "${title}"`;
}

describe('docs/limits.md', () => {
  const found = rows(read('docs/limits.md'));

  it('names constants and tests that are there', () => {
    expect(found.length).toBeGreaterThan(60);
    expect(found.map(problem).filter((one) => one !== null)).toEqual([]);
  });

  it('would be told what is not', () => {
    const at = 'src/torrent/swarm/limits.ts';
    expect(problem(['a', `\`NO_SUCH_LIMIT\` ${at}`, 'not yet'])).toContain('has no NO_SUCH_LIMIT');
    expect(problem(['b', `\`BAD_PIECES\` ${at}`, 'src/torrent/swarm/limits.test.ts "no such test"'])).toContain(
      'has no test "no such test"',
    );
    expect(problem(['c', `\`BAD_PIECES\` ${at}`, 'soon'])).toContain('has no test');
  });
});
