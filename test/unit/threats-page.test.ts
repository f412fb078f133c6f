// docs/threats.md says for each threat which test shows that it is stopped, or that nothing stops it.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string) => (existsSync(ROOT + path) ? readFileSync(ROOT + path, 'utf8') : '');

/** Rows of its tables, cells without blanks at either end; neither heads nor the lines under them. */
function rows(text: string): string[][] {
  const lines = text.split('\n');
  return lines
    .filter((line, at) => line.startsWith('| ') && !(lines[at + 1] ?? '').startsWith('|---'))
    .map((line) => line.split('|').slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim()));
}

/** What is wrong with a row; null for nothing. */
function problem(cells: readonly string[]): string | null {
  const [threat = '', answer = '', test = ''] = cells;
  if (cells.length !== 3 || threat === '' || answer === '') return `${threat}: is not a threat, an answer and a test`;
  if (test === 'not covered') return null;
  for (const one of test.split('; ')) {
    const [, file = '', title = ''] = /^(\S+\.test\.ts) "([^"]+)"$/.exec(one) ?? [];
    if (title === '' || !titles(read(file)).some((line) => line.includes(title))) return `${threat}: no test is ${one}`;
  }
  return null;
}

/** The lines of a test file on which tests begin. */
function titles(source: string): string[] {
  return source.split('\n').filter((line) => /^\s*(it|test)\b/.test(line));
}

describe('docs/threats.md', () => {
  const page = read('docs/threats.md');
  const found = rows(page);

  it('names tests that are there, or says that nothing covers a threat', () => {
    expect(found.length).toBeGreaterThan(60);
    expect(found.map(problem).filter((one) => one !== null)).toEqual([]);
  });

  it('links to pages that are there', () => {
    const links = [...page.matchAll(/\]\(([^)#]+)/g)].map(([, path = '']) => path);
    expect(links.length).toBeGreaterThan(0);
    expect(links.filter((path) => !existsSync(`${ROOT}docs/${path}`))).toEqual([]);
  });

  it('would be told what is not', () => {
    const file = 'src/http/http.test.ts';
    const good = `${file} "with no token set, no token opens"`;
    expect([problem(['a', 'b', good]), problem(['a', 'b', 'not covered'])]).toEqual([null, null]);
    expect(problem(['a', 'b', `${good}; ${file} "no such test"`])).toBe(`a: no test is ${file} "no such test"`);
    expect(problem(['a', 'b', good.replace(file, 'src/no/such.test.ts')])).toContain('no test is');
    // In the file, but not as a test's title.
    expect(read(file)).toContain('a-token-for-the-tests');
    expect(problem(['a', 'b', `${file} "a-token-for-the-tests"`])).toContain('no test is');
    expect(problem(['a', 'b', 'soon'])).toContain('no test is soon');
    expect(problem(['a', 'b'])).toContain('is not a threat');
  });
});
