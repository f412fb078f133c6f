import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type Facts, factsOf } from './tidy/facts.ts';
import type { Guard, Repository, Rooms } from './tidy/rules.ts';
import {
  careProblems,
  guardProblems,
  importProblems,
  lengthProblems,
  linkProblems,
  loadsVitest,
  wordProblems,
} from './tidy/rules.ts';

// Each room and the rooms it may import (`import type` from a ports.ts is allowed everywhere). lib has no door of its own.
const BELOW_APP: Rooms = {
  lib: [],
  'torrent/metainfo': ['lib'],
  'torrent/wire': ['torrent/metainfo', 'lib'],
  'torrent/swarm': ['torrent/metainfo', 'torrent/wire', 'lib'],
  'torrent/discovery': ['torrent/metainfo', 'torrent/wire', 'lib'],
  torrent: ['torrent/metainfo', 'torrent/wire', 'torrent/swarm', 'torrent/discovery', 'lib'],
  'vault/chunk': ['lib'],
  'vault/seal': ['lib'],
  'vault/store': ['lib'],
  'vault/cache': ['vault/store', 'vault/seal', 'lib'],
  vault: ['vault/chunk', 'vault/seal', 'vault/store', 'vault/cache', 'db', 'lib'],
  audio: ['lib'],
  identify: ['lib'],
  db: ['lib'],
  observe: ['db', 'lib'],
  settings: ['db', 'lib'],
  accounts: ['db', 'lib'],
  library: ['vault', 'audio', 'db', 'lib'],
  import: ['torrent', 'identify', 'audio', 'vault', 'library', 'db', 'lib'],
  seed: ['torrent', 'vault', 'library', 'db', 'lib'],
  http: ['import', 'seed', 'library', 'vault', 'observe', 'settings', 'accounts', 'lib'],
  'config.ts': ['lib'],
  cli: ['config.ts', 'lib'],
};
const ROOMS: Rooms = {
  ...BELOW_APP,
  'app.ts': Object.keys(BELOW_APP),
  'main.ts': ['cli', 'config.ts', 'app.ts'],
};

// The only files that may touch the network, disk, workers, processes, timers, time and randomness: one line a file,
// under its room. Tests may touch all.
const ADAPTERS: Readonly<Record<string, readonly Guard[]>> = {
  // lib
  'src/lib/pool.ts': ['worker'],
  'src/lib/addresses.ts': ['net'],
  'src/lib/clock.ts': ['timers', 'time'],
  'src/lib/random.ts': ['random'],

  // torrent, torrent/swarm
  'src/torrent/net.ts': ['net'],
  'src/torrent/datagrams.ts': ['net'],
  'src/torrent/ip-filter-file.ts': ['fs'],
  'src/torrent/multicast.ts': ['net'],

  // torrent/discovery
  'src/torrent/discovery/http-tracker.ts': ['net'],
  'src/torrent/discovery/resolver.ts': ['net'],
  'src/torrent/discovery/udp-tracker.ts': ['net'],

  // vault/store
  'src/vault/store/directory.ts': ['fs'],
  'src/vault/store/memory.ts': ['timers'],
  'src/vault/store/sync.ts': ['fs'],

  // vault/cache
  'src/vault/cache/files.ts': ['fs'],

  // vault/seal
  'src/vault/seal/files.ts': ['fs'],

  // vault
  'src/vault/files.ts': ['fs'],

  // audio

  // db
  'src/db/sqlite/client.ts': ['worker'],
  'src/db/sqlite/worker.ts': ['fs', 'worker'],

  // observe

  // seed
  'src/seed/counters-file.ts': ['fs'],

  // import

  // http
  'src/http/listen.ts': ['fs'],

  // cli
  'src/cli/client.ts': ['net'],
  'src/cli/import.ts': ['fs', 'timers'],
  'src/cli/stop.ts': ['timers', 'time'],

  // config.ts
  'src/config.ts': ['fs'],
};

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TEXT = /\.(ts|tsx|js|mjs|py|c|h|sh|css|html|json|toml|yml|md)$|(^|\/)(bae|run)$/;

function listed(): string[] {
  const out = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: ROOT, encoding: 'utf8' });
  return [...new Set(out.split('\n'))].filter((path) => TEXT.test(path) && existsSync(ROOT + path));
}

const texts = new Map(listed().map((path) => [path, readFileSync(ROOT + path, 'utf8')]));
const sources = [...texts]
  .filter(([path]) => /^(src|test|tools|bench|web)\/.*\.tsx?$/.test(path))
  .map(([path, text]) => factsOf(path, text));
const repository: Repository = {
  rooms: ROOMS,
  dependencies: Object.keys(JSON.parse(texts.get('package.json') ?? '{}').dependencies),
  tests: sources.filter(loadsVitest).map((facts) => facts.path),
};

const imports = (facts: Facts) => importProblems(facts, repository);
const guards = (facts: Facts) => guardProblems(facts, ADAPTERS[facts.path] ?? []);

describe('the repository is tidy', () => {
  it('imports follow the table and use the doors', () => expect(sources.flatMap(imports)).toEqual([]));
  it('only adapters touch the outside world', () => expect(sources.flatMap(guards)).toEqual([]));
  it('every listed adapter exists', () => {
    expect(Object.keys(ADAPTERS).filter((path) => !texts.has(path))).toEqual([]);
  });
  it('files and functions are short', () => expect(sources.flatMap(lengthProblems)).toEqual([]));
  it('nothing is any, no error is dropped, every test runs', () => expect(sources.flatMap(careProblems)).toEqual([]));
  it('no text holds unfinished work, silenced checks, machine paths or registry hosts', () => {
    expect([...texts].flatMap(([path, text]) => wordProblems(path, text))).toEqual([]);
  });
});

const pages = [...texts].filter(([path]) => path.endsWith('.md'));
const links = (path: string, text: string) =>
  linkProblems(
    path,
    text,
    (target) => existsSync(ROOT + target),
    pages.map(([page]) => page),
  );

it('links of pages lead somewhere, and indexes are complete', () => {
  expect(pages.flatMap(([path, text]) => links(path, text))).toEqual([]);
  expect(links('a.md', 'see [b](docs/nowhere.md#x)')).toHaveLength(1);
  expect(links('docs/decisions/README.md', '[0001](0001-own-engine.md)')).toContain(
    'docs/decisions/README.md: does not list docs/decisions/0002-own-launcher.md',
  );
});

// Each rule is shown to fail: [file, text, what the rule says].
const count = (rule: (facts: Facts) => string[], path: string, text: string) => rule(factsOf(path, text)).join('\n');

describe('the import table', () => {
  const bad: [string, string, string][] = [
    ['src/lib/a.ts', "import { x } from '../torrent/index.ts';", 'lib may not import torrent'],
    ['src/torrent/wire/a.ts', "export * from '../swarm/index.ts';", 'torrent/wire may not import torrent/swarm'],
    ['src/torrent/wire/a.test.ts', "import '../swarm/index.ts';", 'torrent/wire may not import torrent/swarm'],
    ['src/seed/a.ts', "const x = await import('../import/index.ts');", 'seed may not import import'],
    ['src/seed/a.ts', "import type { X } from '../import/index.ts';", 'seed may not import import'],
    ['src/seed/a.ts', "type X = import('../import/index.ts').X;", 'seed may not import import'],
    ['src/seed/a.ts', "import { x } from '../import/ports.ts';", 'past the door of import'],
    ['src/seed/a.ts', "import { x } from '../vault/pieces.ts';", 'past the door of vault'],
    ['src/import/a.ts', "import { x } from '../torrent/wire/index.ts';", 'import may not import torrent/wire'],
    ['src/vault/a.ts', "new URL('./cache/worker.ts', import.meta.url);", 'past the door of vault/cache'],
    ['src/cli/a.ts', "import { x } from '../app.ts';", 'cli may not import app.ts'],
    ['src/main.ts', "import { x } from './app.ts';", 'import() it there'],
    ['src/vault/a.ts', "import { x } from '../config.ts';", 'vault may not import config.ts'],
    ['src/other/a.ts', '', 'lies in no room'],
    ['src/vault/a.ts', "import { x } from '../../test/parts/s3.ts';", 'outside src/'],
    ['src/vault/a.ts', "import { x } from './a.test.ts';", 'is a test'],
    ['src/vault/a.ts', "import { x } from '../../test/tidy/facts.ts';", 'outside src/'],
    ['src/vault/a.ts', "import { x } from 'vite';", "not among package.json's dependencies"],
    ['test/system/a.test.ts', "import { x } from '../../src/vault/pieces.ts';", 'past the door of vault'],
    ['web/a.tsx', "import type { X } from '../src/vault/index.ts';", 'web may import types of http'],
    ['web/a.tsx', "import { x } from '../src/http/index.ts';", 'web may import types of http'],
  ];
  it.each(bad)('%s: %s', (path, text, problem) => expect(count(imports, path, text)).toContain(problem));

  it('a suite that loads vitest is for tests', () => {
    const suite = { ...repository, tests: ['src/vault/suite.ts'] };
    const text = "import { x } from './suite.ts';";
    expect(importProblems(factsOf('src/vault/a.ts', text), suite)).toHaveLength(1);
    expect(importProblems(factsOf('src/vault/a.test.ts', text), suite)).toEqual([]);
    expect(loadsVitest(factsOf('a.ts', "import { it } from 'vitest';"))).toBe(true);
    expect(loadsVitest(factsOf('a.ts', "import type { it } from 'vitest';"))).toBe(false);
  });

  const good: [string, string][] = [
    ['src/vault/a.ts', "import type { X } from '../torrent/ports.ts';\nimport { y } from './b.ts';"],
    ['src/vault/a.ts', "import { x } from '../lib/clock.ts';\nimport { y } from './cache/index.ts';"],
    ['src/main.ts', "const { serve } = await import('./app.ts');"],
    ['src/vault/a.test.ts', "import { x } from '../../test/parts/s3.ts';\nimport { it } from 'vitest';"],
    ['test/system/a.test.ts', "import { x } from '../../src/vault/store/index.ts';"],
    ['web/a.tsx', "import type { X } from '../src/http/index.ts';"],
  ];
  it.each(good)('%s: %s is fine', (path, text) => expect(count(imports, path, text)).toBe(''));
});

describe('adapters', () => {
  const bad: [string, string][] = [
    ["import net from 'node:net';", 'node:net'],
    ["import { readFile } from 'node:fs/promises';", 'node:fs/promises.readFile'],
    ["const { Worker } = await import('node:worker_threads');", 'Worker'],
    ["export { spawn } from 'node:child_process';", 'node:child_process'],
    ['setTimeout(() => 1, 5);', 'setTimeout'],
    ['globalThis.setInterval(f, 5);', 'setInterval'],
    ['const f = { after: setTimeout };', 'setTimeout'],
    ['const f = { setTimeout };', 'setTimeout'],
    ['const s = AbortSignal.timeout(5);', 'AbortSignal.timeout'],
    ['const t = Date.now();', 'Date.now'],
    ['const t = new Date();', 'new Date'],
    ['const t = performance.now();', 'performance.now'],
    ['const r = Math.random();', 'Math.random'],
    ["import { randomBytes } from 'node:crypto';", 'node:crypto.randomBytes'],
    ["await fetch('http://x');", 'fetch'],
  ];
  it.each(bad)('%s', (text, name) =>
    expect(count(guards, 'src/vault/a.ts', text)).toContain(`${name} is for adapters`),
  );

  it.each([
    "import type { Socket } from 'node:net';",
    'const t = new Date(clock.now());',
    'clock.setTimeout(1); const o = { fetch: 1 };',
    'type F = typeof fetch;',
    "import { createHash } from 'node:crypto';",
  ])('%s is fine', (text) => expect(count(guards, 'src/vault/a.ts', text)).toBe(''));

  it('a grant nobody needs is told', () => {
    expect(guardProblems(factsOf('src/vault/a.ts', ''), ['net'])).toHaveLength(1);
    expect(guardProblems(factsOf('src/vault/a.ts', "import 'node:net';"), ['net'])).toEqual([]);
  });
});

describe('length, care and words', () => {
  const body = (lines: number) => '\n  x();'.repeat(lines);
  it.each([
    ['x();\n'.repeat(301), '301 lines'],
    [`function f() {${body(59)}\n}`, 'f has 61 lines'],
    [`class A {\n  m() {${body(59)}\n}}`, 'm has 61 lines'],
    [`const o = () => ({\n  m() {${body(59)}\n}});`, 'm has 61 lines'],
    [`const f = () => {${body(59)}\n};`, 'f has 61 lines'],
    [`describe('x', () => { it('y', () => {${body(60)}\n}); });`, 'a function has 62 lines'],
    [`describe('x', () => {${body(60)}\n});`, 'a function has 62 lines'],
  ])('too long, case %#', (text, problem) => expect(count(lengthProblems, 'test/a.test.ts', text)).toContain(problem));

  it.each([
    ['x();\n'.repeat(300)],
    [`function f() {${body(58)}\n}`],
    [`const o = () => ({\n  m() {${body(40)}\n},\n  n() {${body(40)}\n}});`],
    [
      `function suite() {\ndescribe('x', () => {\nit.each([])('y', () => {${body(58)}\n});\nit('z', () => {${body(58)}\n});\n});\n}`,
    ],
  ])('short enough, case %#', (text) => expect(count(lengthProblems, 'test/a.test.ts', text)).toBe(''));

  it.each(['let x: any;', 'try { x(); } catch {}', 'p.catch(() => {});', 'p.catch(() => undefined);', "it.skip('x');"])(
    '%s',
    (text) => expect(count(careProblems, 'src/lib/a.ts', text)).not.toBe(''),
  );

  it.each([
    ["throw new BaeError('refused', 'no room');", '"no room" is no sentence'],
    ["throw new BaeError('refused', 'No room', { cause });", '"No room" is no sentence'],
    [`throw new BaeError(kind, \`no room in \${folder}.\`);`, '"no room in ….'],
    [`throw sealError('altered', \`A chunk has \${n} bytes\`);`, 'is no sentence'],
  ])('%s', (text, problem) => expect(count(careProblems, 'src/lib/a.ts', text)).toContain(problem));

  it.each([
    "throw new BaeError('refused', 'No room.');",
    `throw new BaeError(kind, \`\${name} has no room in \${folder}\`);`,
    'throw new BaeError(kind, words);',
    "throw new Error('no room');",
  ])('%s is fine', (text) => expect(count(careProblems, 'src/lib/a.ts', text)).toBe(''));

  it.each([
    `// TO${'DO'}: more`,
    `// FIX${'ME'}`,
    `// @ts-${'ignore'}`,
    `// biome-${'ignore'} lint: no`,
    `const p = '/${'home'}/me/x';`,
    `# https://registry.${'npmjs'}.org/`,
  ])('%s', (text) => expect(wordProblems('a', text)).toHaveLength(1));
});
