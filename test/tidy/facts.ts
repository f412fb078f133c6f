import { parseSync } from 'vite';

/** One import, export-from, import() or worker URL of a file. */
export interface Import {
  readonly specifier: string;
  readonly line: number;
  /** Gone when the file runs: `import type`, `export type`, `import('x').T` in a type. */
  readonly typeOnly: boolean;
  /** import() in an expression. */
  readonly dynamic: boolean;
}

/** What tidy's rules need to know of a source file; lines count from 1. */
export interface Facts {
  /** From the root of the repository, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
  /** Globals and members used as values: `setTimeout`, `Date.now`, `new Date`, `node:crypto.randomBytes`. */
  readonly uses: readonly { name: string; line: number }[];
  /** Every function with its length in lines, those of tests and methods within it left out. */
  readonly functions: readonly { name: string; line: number; lines: number }[];
  readonly anyLines: readonly number[];
  /** catch blocks and .catch() calls that drop the error. */
  readonly swallowLines: readonly number[];
  /** What each `new BaeError` and `sealError` tells a person, where that is written there; what stands in a `${}` is `…`. */
  readonly messages: readonly { text: string; line: number }[];
}

interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

interface Place {
  readonly parent: SyntaxNode | undefined;
  readonly key: string;
  readonly inType: boolean;
}

/** Reads a TypeScript file. Throws when it does not parse. */
export function factsOf(path: string, text: string): Facts {
  const parsed = parseSync(path, text);
  const [wrong] = parsed.errors;
  if (wrong !== undefined) throw new Error(`${path}: ${wrong.message}`);
  const reader = new Reader(text);
  reader.walk(parsed.program as unknown as SyntaxNode, { parent: undefined, key: '', inType: false });
  return {
    path,
    text,
    imports: reader.imports,
    uses: reader.uses,
    functions: reader.functions,
    anyLines: reader.anyLines,
    swallowLines: reader.swallowLines,
    messages: reader.messages,
  };
}

/** TypeScript nodes that hold a value; every other TS node is a type. */
const VALUE_NODES = new Set([
  'TSAsExpression',
  'TSSatisfiesExpression',
  'TSNonNullExpression',
  'TSTypeAssertion',
  'TSInstantiationExpression',
]);
const FUNCTIONS = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']);
const TEST_CALLS = new Set(['describe', 'it', 'test', 'bench']);

class Reader {
  readonly imports: Import[] = [];
  readonly uses: { name: string; line: number }[] = [];
  readonly functions: { name: string; line: number; lines: number }[] = [];
  readonly anyLines: number[] = [];
  readonly swallowLines: number[] = [];
  readonly messages: { text: string; line: number }[] = [];
  readonly #lineStarts: number[] = [0];

  constructor(text: string) {
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.#lineStarts.push(at + 1);
  }

  /** Returns how many lines of the node are not lines of the function around it: those of tests and methods. */
  walk(node: SyntaxNode, place: Place): number {
    this.#read(node, place);
    const inType = place.inType || (node.type.startsWith('TS') && !VALUE_NODES.has(node.type));
    let apart = 0;
    for (const [key, value] of Object.entries(node)) {
      for (const one of Array.isArray(value) ? value : [value]) {
        if (isNode(one)) apart += this.walk(one, { parent: node, key, inType });
      }
    }
    const line = this.#lineAt(node.start);
    const lines = this.#lineAt(node.end) - line + 1;
    if (FUNCTIONS.has(node.type)) {
      this.functions.push({ name: functionName(node, place.parent), line, lines: lines - apart });
    }
    return isTestCall(node) || isMethod(node) ? lines : apart;
  }

  #read(node: SyntaxNode, place: Place): void {
    const line = this.#lineAt(node.start);
    const specifier = importedFrom(node);
    if (specifier !== undefined) {
      const typeOnly = node.importKind === 'type' || node.exportKind === 'type' || node.type === 'TSImportType';
      this.imports.push({ specifier, line, typeOnly, dynamic: node.type === 'ImportExpression' });
      if (!typeOnly) for (const name of importedNames(node)) this.uses.push({ name: `${specifier}.${name}`, line });
    }
    if (node.type === 'TSAnyKeyword') this.anyLines.push(line);
    if (swallows(node)) this.swallowLines.push(line);
    const message = toldBy(node);
    if (message !== undefined) this.messages.push({ text: message, line });
    if (!place.inType) for (const name of usedNames(node, place)) this.uses.push({ name, line });
  }

  #lineAt(offset: number): number {
    let low = 0;
    let high = this.#lineStarts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.#lineStarts[middle] as number) <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  }
}

function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string';
}

function child(node: SyntaxNode, key: string): SyntaxNode | undefined {
  const value = node[key];
  return isNode(value) ? value : undefined;
}

function nodesOf(node: SyntaxNode, key: string): SyntaxNode[] {
  const value = node[key];
  return Array.isArray(value) ? value.filter(isNode) : [];
}

function text(node: SyntaxNode | undefined): string | undefined {
  if (node?.type === 'Identifier' && typeof node.name === 'string') return node.name;
  return node?.type === 'Literal' && typeof node.value === 'string' ? node.value : undefined;
}

/** The specifier of an import in any of its forms; a worker's `new URL('./x.ts', import.meta.url)` is one too. */
function importedFrom(node: SyntaxNode): string | undefined {
  if (
    /^(ImportDeclaration|ExportNamedDeclaration|ExportAllDeclaration|ImportExpression|TSImportType)$/.test(node.type)
  ) {
    return text(child(node, 'source'));
  }
  if (node.type !== 'NewExpression' || text(child(node, 'callee')) !== 'URL') return undefined;
  const [first] = nodesOf(node, 'arguments');
  const path = text(first);
  return path?.startsWith('.') && path.endsWith('.ts') ? path : undefined;
}

function importedNames(node: SyntaxNode): string[] {
  return nodesOf(node, 'specifiers').flatMap((one) => text(child(one, 'imported')) ?? []);
}

/** Names this node uses as values: a bare identifier, `a.b`, `new A` without arguments. */
function usedNames(node: SyntaxNode, { parent, key }: Place): string[] {
  const callee = text(child(node, 'callee'));
  if ((node.type === 'NewExpression' || node.type === 'CallExpression') && nodesOf(node, 'arguments').length === 0) {
    return callee === undefined ? [] : [`new ${callee}`];
  }
  if (node.type === 'MemberExpression') {
    const object = text(child(node, 'object'));
    const property = text(child(node, 'property'));
    if (object === undefined || property === undefined) return [];
    return /^(globalThis|global|window)$/.test(object) ? [property] : [`${object}.${property}`];
  }
  if (node.type !== 'Identifier' || parent === undefined) return [];
  const isLabel = (key === 'property' || key === 'key') && parent.computed !== true && parent.shorthand !== true;
  const isImport = parent.type.endsWith('Specifier');
  return isLabel || isImport ? [] : [String(node.name)];
}

function isTestCall(node: SyntaxNode): boolean {
  let callee = node.type === 'CallExpression' ? child(node, 'callee') : undefined;
  while (callee !== undefined && callee.type !== 'Identifier')
    callee = child(callee, 'object') ?? child(callee, 'callee');
  return TEST_CALLS.has(text(callee) ?? '');
}

/** A method of a class or of an object literal; both count by themselves. */
function isMethod(node: SyntaxNode): boolean {
  return (
    node.type === 'MethodDefinition' || (node.type === 'Property' && (node.method === true || node.kind !== 'init'))
  );
}

function functionName(node: SyntaxNode, parent: SyntaxNode | undefined): string {
  const own = text(child(node, 'id'));
  const given = parent && (text(child(parent, 'id')) ?? text(child(parent, 'key')));
  return own ?? given ?? 'a function';
}

/** `catch {}` and `.catch(() => {})`, also with undefined or null for a body. */
function swallows(node: SyntaxNode): boolean {
  if (node.type === 'CatchClause') return nodesOf(child(node, 'body') ?? node, 'body').length === 0;
  if (node.type !== 'CallExpression' || text(child(child(node, 'callee') ?? node, 'property')) !== 'catch')
    return false;
  const [handler] = nodesOf(node, 'arguments');
  const body = handler && child(handler, 'body');
  if (body === undefined) return false;
  if (body.type === 'BlockStatement') return nodesOf(body, 'body').length === 0;
  return text(body) === 'undefined' || (body.type === 'Literal' && body.value === null);
}

/** The message of a `new BaeError` or `sealError`, if it is written out there. */
function toldBy(node: SyntaxNode): string | undefined {
  if (!/^(New|Call)Expression$/.test(node.type) || !/^(BaeError|sealError)$/.test(text(child(node, 'callee')) ?? ''))
    return undefined;
  const message = nodesOf(node, 'arguments')[1];
  if (message?.type !== 'TemplateLiteral') return text(message?.type === 'Literal' ? message : undefined);
  return nodesOf(message, 'quasis')
    .map((quasi) => (quasi.value as { cooked: string }).cooked)
    .join('…');
}
