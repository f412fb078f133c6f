import { posix } from 'node:path';
import type { Facts } from './facts.ts';

/** Which rooms a room may import: DESIGN's table. A name with a dot is a file right under src/. */
export type Rooms = Readonly<Record<string, readonly string[]>>;

/** What only adapters may touch. */
export type Guard = 'net' | 'fs' | 'worker' | 'process' | 'timers' | 'time' | 'random';

const GUARDS: Readonly<Record<Guard, RegExp>> = {
  net: /^(node:(net|tls|dgram|http|https|http2|dns|dns\/promises)\b|(fetch|WebSocket|EventSource)$)/,
  fs: /^node:(fs|fs\/promises)\b/,
  worker: /^(node:(worker_threads|cluster)\b|Worker$)/,
  process: /^node:child_process\b/,
  timers: /^(node:timers\b|(setTimeout|setInterval|setImmediate|AbortSignal\.timeout)$)/,
  time: /^(Date\.now|new Date|performance|performance\.now|process\.hrtime|node:perf_hooks.*)$/,
  random: /^(Math\.random|(node:crypto|crypto)\.(random\w+|getRandomValues|generateKey\w*))$/,
};

/** What the import rules need to know of the whole repository. */
export interface Repository {
  readonly rooms: Rooms;
  /** Packages that src/ may import. */
  readonly dependencies: readonly string[];
  /** Paths of the files that load vitest. */
  readonly tests: readonly string[];
}

const FILE_LINES = 300;
const FUNCTION_LINES = 60;

/** Tests, and the suites they share, which may get vitest as an argument: files ending in .test.ts or naming vitest. */
export function isTest(facts: Facts): boolean {
  return /\.test\.tsx?$/.test(facts.path) || facts.imports.some((one) => one.specifier === 'vitest');
}

/** Whether a file loads vitest, so that only tests can import it. */
export function loadsVitest(facts: Facts): boolean {
  return facts.imports.some((one) => one.specifier === 'vitest' && !one.typeOnly);
}

/** The room a path under src/ lies in: the longest match; undefined outside src/. */
export function roomOf(path: string, rooms: Rooms): string | undefined {
  if (!path.startsWith('src/')) return undefined;
  const inside = path.slice('src/'.length).replace(/\.test\.ts$/, '.ts');
  const homes = Object.keys(rooms).filter((room) => inside === room || inside.startsWith(`${room}/`));
  return homes.sort((a, b) => b.length - a.length)[0];
}

/** The import table and the doors: what this file imports that its room may not, or past another room's index.ts. */
export function importProblems(facts: Facts, repository: Repository): string[] {
  const from = roomOf(facts.path, repository.rooms);
  const problems: string[] = [];
  if (facts.path.startsWith('src/') && from === undefined) problems.push(`${facts.path}: lies in no room of the table`);
  for (const one of facts.imports) {
    const problem = one.specifier.startsWith('.')
      ? innerProblem(facts, from, one, repository)
      : outerProblem(facts, one, repository.dependencies);
    if (problem !== undefined) problems.push(`${facts.path}:${one.line}: ${problem}`);
  }
  return problems;
}

function outerProblem(
  facts: Facts,
  one: Facts['imports'][number],
  dependencies: readonly string[],
): string | undefined {
  const { specifier, typeOnly } = one;
  if (specifier.startsWith('node:') || typeOnly || isTest(facts) || !facts.path.startsWith('src/')) return undefined;
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
  return dependencies.includes(name) ? undefined : `${specifier} is not among package.json's dependencies`;
}

function innerProblem(
  facts: Facts,
  from: string | undefined,
  one: Facts['imports'][number],
  { rooms, tests }: Repository,
): string | undefined {
  const target = posix.join(posix.dirname(facts.path), one.specifier);
  // The one place that says which version this is.
  if (target === 'package.json') return undefined;
  if (!target.startsWith('src/')) {
    return from !== undefined && !isTest(facts) ? `${one.specifier} lies outside src/` : undefined;
  }
  const to = roomOf(target, rooms);
  if (to === undefined) return `${target} lies in no room of the table`;
  if (target.endsWith('.test.ts') || (tests.includes(target) && !isTest(facts))) return `${target} is a test`;
  if (to === from) return undefined;
  if (one.typeOnly && target === `src/${to}/ports.ts`) return undefined;
  const isDoor = target === `src/${to}/index.ts` || to.endsWith('.ts') || to === 'lib';
  if (!isDoor) return `${target} is past the door of ${to} (its index.ts)`;
  if (facts.path.startsWith('web/'))
    return to === 'http' && one.typeOnly ? undefined : `web may import types of http, not ${to}`;
  if (from === undefined) return undefined;
  if (!(rooms[from] ?? []).includes(to)) return `${from} may not import ${to}`;
  if (to === 'app.ts' && !one.dynamic) return 'app.ts is for serve alone: import() it there';
  return undefined;
}

/** Uses of the network, disk, workers, timers, time and randomness in files that are no adapters for them. */
export function guardProblems(facts: Facts, granted: readonly Guard[]): string[] {
  if (isTest(facts) || !facts.path.startsWith('src/')) return [];
  const uses = [...facts.uses];
  for (const { specifier, line, typeOnly } of facts.imports) if (!typeOnly) uses.push({ name: specifier, line });
  return (Object.keys(GUARDS) as Guard[]).flatMap((guard) => {
    const [use] = uses.filter(({ name }) => GUARDS[guard].test(name));
    if (granted.includes(guard)) return use === undefined ? [`${facts.path}: is listed for ${guard} without need`] : [];
    return use === undefined ? [] : [`${facts.path}:${use.line}: ${use.name} is for adapters of ${guard}`];
  });
}

/** Files over 300 lines, functions over 60; tests and methods within a function count by themselves. */
export function lengthProblems(facts: Facts): string[] {
  const problems: string[] = [];
  const lines = facts.text.replace(/\n$/, '').split('\n').length;
  if (lines > FILE_LINES) problems.push(`${facts.path}: ${lines} lines, over ${FILE_LINES}`);
  for (const one of facts.functions) {
    if (one.lines > FUNCTION_LINES) {
      problems.push(`${facts.path}:${one.line}: ${one.name} has ${one.lines} lines, over ${FUNCTION_LINES}`);
    }
  }
  return problems;
}

const NOT_RUN = /^(it|test|describe|context|ctx|task)\.(skip|skipIf|runIf|only|todo|fails)$/;

/** A sentence: begins with a capital, a quote or what is known only then (`bae` keeps its small b); ends as one. */
const SENTENCE = /^([A-Z"…]|bae ).*[.?…]$/s;

/** `any` anywhere, errors dropped and errors that are told in fragments in src/, tests that do not run. */
export function careProblems(facts: Facts): string[] {
  const own = facts.path.startsWith('src/') && !isTest(facts);
  const swallowLines = facts.path.startsWith('src/') ? facts.swallowLines : [];
  const fragments = own ? facts.messages.filter(({ text }) => !SENTENCE.test(text)) : [];
  return [
    ...facts.anyLines.map((line) => `${facts.path}:${line}: any`),
    ...swallowLines.map((line) => `${facts.path}:${line}: an error is dropped`),
    ...fragments.map(({ text, line }) => `${facts.path}:${line}: "${text}" is no sentence`),
    ...facts.uses
      .filter((use) => NOT_RUN.test(use.name))
      .map((use) => `${facts.path}:${use.line}: ${use.name}: every test runs, everywhere`),
  ];
}

/** Each pattern is written so that it does not match itself. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/\b(TO[D]O|FIX[M]E|XX[X])\b/, 'unfinished work'],
  [/@ts-(ignore|expect-error|nocheck)|biome[-]ignore/, 'a silenced check'],
  [/(^|[\s'"`(=:])\/(work|home|root|Users)\/\w/, 'a path of one machine'],
  [/\bregistry\.[a-z]+\.|\bnpm(js)?\.(org|com)\b/, 'a registry host'],
];

/** Words that no committed text holds: unfinished work, silenced checks, paths of one machine, registry hosts. */
export function wordProblems(path: string, text: string): string[] {
  const problems: string[] = [];
  text.split('\n').forEach((line, index) => {
    for (const [pattern, what] of WORDS) if (pattern.test(line)) problems.push(`${path}:${index + 1}: ${what}`);
  });
  return problems;
}

/** Links of a Markdown page to files that are not there; and, in an index, pages of its folder that it does not link. */
export function linkProblems(path: string, text: string, exists: (path: string) => boolean, pages: string[]): string[] {
  const folder = posix.dirname(path);
  const targets = [...text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)].flatMap(([, target = '']) =>
    /^[a-z]+:/.test(target) ? [] : [posix.join(folder, target)],
  );
  const unlisted = /\/README\.md$/.test(path)
    ? pages.filter((page) => page !== path && posix.dirname(page) === folder && !targets.includes(page))
    : [];
  return [
    ...targets.filter((target) => !exists(target)).map((target) => `${path}: links ${target}, which is not there`),
    ...unlisted.map((page) => `${path}: does not list ${page}`),
  ];
}
