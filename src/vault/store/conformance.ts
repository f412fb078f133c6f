import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as vitest from 'vitest';
import { BaeError } from '../../lib/errors.ts';
import type { ObjectInfo, ObjectStore } from './ports.ts';

/** What the suite takes from vitest, handed over so that no product code imports a test tool. */
export type TestTools = Pick<typeof vitest, 'afterAll' | 'beforeAll' | 'describe' | 'expect' | 'it'>;

export interface Subject {
  /** Opens the store, empty. */
  open(): Promise<ObjectStore>;
  /** Ends whatever `open` needed. */
  end?(): Promise<void>;
  /** How many objects the long listing has; over 1,000 crosses a page of S3's. */
  listedObjects: number;
}

const sha256 = (body: Buffer) => createHash('sha256').update(body).digest();

/** How a call failed: a BaeError's kind, or 'no error', or the foreign error itself. */
async function kindOf(call: Promise<unknown>): Promise<unknown> {
  try {
    await call;
    return 'no error';
  } catch (error) {
    return error instanceof BaeError ? error.kind : error;
  }
}

async function all(listing: AsyncIterable<ObjectInfo>): Promise<ObjectInfo[]> {
  const found: ObjectInfo[] = [];
  for await (const info of listing) found.push(info);
  return found.sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** The suite every store passes: the contract of `ObjectStore`, point by point. */
export function storeConformance(tools: TestTools, title: string, subject: Subject): void {
  tools.describe(`${title} keeps the contract of a store`, () => {
    let store: ObjectStore;
    tools.beforeAll(async () => {
      store = await subject.open();
    });
    tools.afterAll(async () => {
      await store.close();
      await subject.end?.();
    });
    const current = () => store;
    bodies(tools, current);
    conditions(tools, current);
    refusals(tools, current);
    listings(tools, current, subject.listedObjects);
    aborts(tools, current);
  });
}

function bodies({ it, expect }: TestTools, store: () => ObjectStore): void {
  it('has nothing at first', async () => {
    expect(await all(store().list(''))).toEqual([]);
    expect(await store().head('c/00/nothing')).toBeNull();
  });

  it('gives back what was put, of any size', async () => {
    for (const size of [0, 1, 65_537, 1_048_704]) {
      const body = randomBytes(size);
      expect(await store().put(`bodies/${size}`, body, { sha256: sha256(body) })).toBe('stored');
      expect((await store().get(`bodies/${size}`)).equals(body)).toBe(true);
      expect(await store().head(`bodies/${size}`)).toEqual({ size });
    }
  });

  it('gives ranges at both ends and in the middle, exactly', async () => {
    const body = randomBytes(100_000);
    await store().put('ranges/whole', body);
    for (const [offset, length] of [
      [0, 1],
      [99_999, 1],
      [0, 100_000],
      [64, 65_536],
    ] as const) {
      const part = await store().get('ranges/whole', { range: { offset, length } });
      expect(part.equals(body.subarray(offset, offset + length))).toBe(true);
    }
  });

  it('links a file of this machine, or says that it cannot', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'bae-link-'));
    try {
      const body = randomBytes(100_000);
      await writeFile(join(folder, 'file'), body);
      const linked = await store().link('links/one', join(folder, 'file'));
      expect(await store().head('links/one')).toEqual(linked ? { size: body.length } : null);
      if (linked) expect((await store().get('links/one')).equals(body)).toBe(true);
      expect(await store().link('links/one', join(folder, 'file'))).toBe(false);
      expect(await store().link('links/none', join(folder, 'none'))).toBe(false);
      expect(await kindOf(store().link('links//bad', join(folder, 'file')))).toBe('bad-input');
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('calls an object that ends before the range does corrupt', async () => {
    await store().put('ranges/short', randomBytes(1_000));
    expect(await kindOf(store().get('ranges/short', { range: { offset: 999, length: 2 } }))).toBe('corrupt');
    expect(await kindOf(store().get('ranges/short', { range: { offset: 1_000, length: 1 } }))).toBe('corrupt');
    await store().put('ranges/empty', Buffer.alloc(0));
    expect(await kindOf(store().get('ranges/empty', { range: { offset: 0, length: 1 } }))).toBe('corrupt');
  });

  it('puts a new body in the place of an old one', async () => {
    await store().put('bodies/replaced', Buffer.from('old and longer'));
    expect(await store().put('bodies/replaced', Buffer.from('new'))).toBe('stored');
    expect((await store().get('bodies/replaced')).toString()).toBe('new');
  });

  it('gives bodies that are the caller’s own', async () => {
    const body = Buffer.from('as it was put');
    await store().put('bodies/own', body);
    body.fill(0);
    const got = await store().get('bodies/own', { range: { offset: 3, length: 5 } });
    expect(got.buffer.byteLength).toBe(5);
    (await store().get('bodies/own')).fill(0);
    expect((await store().get('bodies/own')).toString()).toBe('as it was put');
  });
}

function conditions({ it, expect }: TestTools, store: () => ObjectStore): void {
  it('lets exactly one of concurrent puts win where nothing was', async () => {
    const contenders = Array.from({ length: 8 }, (_, index) => Buffer.alloc(50_000 + index, index));
    const told = await Promise.all(contenders.map((body) => store().put('race/one', body, { ifAbsent: true })));
    expect(told.filter((word) => word === 'stored')).toHaveLength(1);
    const winner = contenders[told.indexOf('stored')] as Buffer;
    expect((await store().get('race/one')).equals(winner)).toBe(true);
  });

  it('leaves what is there when told to store only if absent', async () => {
    await store().put('race/kept', Buffer.from('first'));
    expect(await store().put('race/kept', Buffer.from('second'), { ifAbsent: true })).toBe('exists');
    expect((await store().get('race/kept')).toString()).toBe('first');
    await store().delete('race/kept');
    expect(await store().put('race/kept', Buffer.from('third'), { ifAbsent: true })).toBe('stored');
  });

  it('keeps a whole body of concurrent puts of one name', async () => {
    const contenders = Array.from({ length: 6 }, (_, index) => Buffer.alloc(300_000, index + 1));
    await Promise.all(contenders.map((body) => store().put('race/whole', body)));
    const kept = await store().get('race/whole');
    expect(contenders.some((body) => body.equals(kept))).toBe(true);
  });
}

function refusals({ it, expect }: TestTools, store: () => ObjectStore): void {
  it('tells what is missing', async () => {
    expect(await kindOf(store().get('nowhere/to/be/found'))).toBe('missing');
    expect(await kindOf(store().get('nowhere', { range: { offset: 0, length: 10 } }))).toBe('missing');
    await store().put('folder/object', Buffer.from('x'));
    expect(await kindOf(store().get('folder'))).toBe('missing');
    expect(await store().head('folder')).toBeNull();
  });

  it('refuses a body that is not what its SHA-256 says', async () => {
    const wrong = sha256(Buffer.from('something else'));
    expect(await kindOf(store().put('refused/body', randomBytes(5_000), { sha256: wrong }))).toBe('corrupt');
    expect(await store().head('refused/body')).toBeNull();
  });

  it('deletes, and again', async () => {
    await store().put('gone/soon', Buffer.from('x'));
    await store().delete('gone/soon');
    await store().delete('gone/soon');
    await store().delete('gone/never-was');
    expect(await store().head('gone/soon')).toBeNull();
    expect(await kindOf(store().get('gone/soon'))).toBe('missing');
  });

  it('refuses names that leave the store or mean two things', async () => {
    const names = ['', '/a', 'a/', 'a//b', '.', '..', '../a', 'a/../b', 'a/./b', 'A', 'a b', 'a\0', 'a\\b', 'ä', 'a~b'];
    for (const name of [...names, 'a'.repeat(513)]) {
      expect(await kindOf(store().put(name, Buffer.from('x')))).toBe('bad-input');
      expect(await kindOf(store().get(name))).toBe('bad-input');
      expect(await kindOf(store().head(name))).toBe('bad-input');
      expect(await kindOf(store().delete(name))).toBe('bad-input');
    }
    for (const prefix of ['/a', '../', 'a/../', 'a//', 'A']) {
      expect(await kindOf(all(store().list(prefix)))).toBe('bad-input');
    }
  });

  it('refuses ranges that are none', async () => {
    await store().put('ranges/none', Buffer.from('0123456789'));
    for (const [offset, length] of [
      [0, 0],
      [-1, 2],
      [0.5, 1],
      [0, Number.NaN],
      [0, 2 ** 40],
    ] as const) {
      expect(await kindOf(store().get('ranges/none', { range: { offset, length } }))).toBe('bad-input');
    }
  });

  it('describes itself on one line', () => {
    expect(store().describe()).toMatch(/^[\x20-\x7e]+$/);
  });
}

function listings({ it, expect }: TestTools, store: () => ObjectStore, count: number): void {
  it('lists by prefix, folder or not', async () => {
    for (const name of ['list/a', 'list/ab/c', 'list/ab/d', 'list/ab-e', 'list/b']) {
      await store().put(name, Buffer.from(name));
    }
    const names = async (prefix: string) => (await all(store().list(prefix))).map((info) => info.name);
    expect(await names('list/')).toEqual(['list/a', 'list/ab-e', 'list/ab/c', 'list/ab/d', 'list/b']);
    expect(await names('list/a')).toEqual(['list/a', 'list/ab-e', 'list/ab/c', 'list/ab/d']);
    expect(await names('list/ab/')).toEqual(['list/ab/c', 'list/ab/d']);
    expect(await names('list/ab/c')).toEqual(['list/ab/c']);
    expect(await names('list/none/')).toEqual([]);
    expect(await all(store().list('list/b'))).toEqual([{ name: 'list/b', size: 6 }]);
  });

  it(`lists ${count} objects, each once`, async () => {
    const names = Array.from({ length: count }, (_, index) => `many/${String(index).padStart(5, '0')}`);
    const bodyOf = (name: string) => Buffer.from(name.slice(0, 5 + (name.charCodeAt(9) % 5)));
    await Promise.all(names.map((name) => store().put(name, bodyOf(name))));
    const found = await all(store().list('many/'));
    expect(found.map((info) => info.name)).toEqual(names);
    expect(found.map((info) => info.size)).toEqual(names.map((name) => bodyOf(name).length));
  });
}

function aborts({ it, expect }: TestTools, store: () => ObjectStore): void {
  it('does nothing for a signal that is aborted already', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    expect(await kindOf(store().put('aborted/put', Buffer.from('x'), { signal }))).toBe('cancelled');
    expect(await kindOf(store().get('aborted/put', { signal }))).toBe('cancelled');
    expect(await kindOf(store().head('aborted/put', { signal }))).toBe('cancelled');
    expect(await kindOf(store().delete('aborted/put', { signal }))).toBe('cancelled');
    expect(await kindOf(all(store().list('', { signal })))).toBe('cancelled');
    expect(await store().head('aborted/put')).toBeNull();
  });

  it('stops on a signal midway, and works on afterwards', async () => {
    const body = randomBytes(1_048_704);
    await store().put('aborted/midway', body);
    const control = new AbortController();
    const calls = Array.from({ length: 40 }, () => kindOf(store().get('aborted/midway', { signal: control.signal })));
    control.abort();
    for (const kind of await Promise.all(calls)) expect(kind).toBe('cancelled');
    expect((await store().get('aborted/midway')).equals(body)).toBe(true);
  });
}
