import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../lib/clock.ts';
import { type Database, openDatabase } from './database.ts';
import { isUniqueViolation } from './sqlite/index.ts';

let folder: string;
let file: string;
const opened: Database[] = [];

async function open(name = 'bae.db'): Promise<Database> {
  file = join(folder, name);
  const database = await openDatabase(`sqlite:${file}`, { clock: systemClock });
  opened.push(database);
  return database;
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bae-db-'));
});

afterEach(async () => {
  for (const database of opened.splice(0)) await database.close();
  rmSync(folder, { recursive: true, force: true });
});

function bundle(id: number) {
  const bytes = Buffer.alloc(16, id);
  return {
    bundle_id: bytes,
    wrapped_key: bytes,
    total_length: 2 ** 40 + id,
    chunk_count: 9,
    state: 'importing' as const,
    created_at: 1_790_000_000_000,
  };
}

function torrent(id: number) {
  return {
    info_hash: Buffer.alloc(20, id),
    name: `torrent ${id}`,
    total_length: 5_000_000_000,
    piece_length: 262_144,
    piece_count: 19_074,
    is_private: true,
    is_seeding: false,
    trackers_json: [['http://tracker.example/announce'], []],
    added_at: 1,
  };
}

describe('openDatabase', () => {
  test('makes a file that is for its owner only, with the promised settings', async () => {
    const { db } = await open();
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(`${file}-wal`).mode & 0o777).toBe(0o600);
    const pragma = async (name: string) =>
      Object.values((await sql.raw(`pragma ${name}`).execute(db)).rows[0] as object)[0];
    expect(await pragma('journal_mode')).toBe('wal');
    expect(await pragma('synchronous')).toBe(2);
    expect(await pragma('foreign_keys')).toBe(1);
    expect(await pragma('busy_timeout')).toBe(5000);
  });

  test.each([
    ['postgres://localhost/bae', 'refused'],
    ['postgresql://localhost/bae', 'refused'],
    ['mysql://x', 'bad-input'],
    ['sqlite:', 'bad-input'],
  ])('says no to %s', async (spec, kind) => {
    await expect(openDatabase(spec, { clock: systemClock })).rejects.toMatchObject({ kind });
  });

  test('a folder that is not there is one clear sentence', async () => {
    const spec = `sqlite:${join(folder, 'none', 'bae.db')}`;
    await expect(openDatabase(spec, { clock: systemClock })).rejects.toMatchObject({ kind: 'unavailable' });
  });

  test('keeps what is there when opened again, and refuses a newer file', async () => {
    const first = await open();
    await first.db.insertInto('torrents').values(torrent(1)).execute();
    await first.close();
    const second = await open();
    expect(await second.db.selectFrom('torrents').select('name').execute()).toEqual([{ name: 'torrent 1' }]);
    await sql`update schema_version set version = 1000`.execute(second.db);
    await second.close();
    await expect(open()).rejects.toMatchObject({ kind: 'refused', message: expect.stringContaining('newer bae') });
  });

  test("refuses another program's database and leaves it as it is", async () => {
    const other = new Sqlite(join(folder, 'other.db'));
    other.exec('create table notes (text)');
    other.close();
    await expect(open('other.db')).rejects.toMatchObject({ kind: 'refused' });
    const again = new Sqlite(join(folder, 'other.db'));
    expect(again.prepare('select name from sqlite_master').all()).toEqual([{ name: 'notes' }]);
    again.close();
  });

  test('names a file that is no database, and one that is damaged, corrupt', async () => {
    writeFileSync(join(folder, 'text.db'), 'not a database, only some words that are long enough\n'.repeat(40));
    await expect(open('text.db')).rejects.toMatchObject({ kind: 'corrupt' });
    const { db, close } = await open();
    await db.insertInto('torrents').values(torrent(1)).execute();
    await close();
    const bytes = readFileSync(file);
    bytes.fill(0x5a, 4096);
    writeFileSync(file, bytes);
    await expect(open().then((again) => again.db.selectFrom('torrents').selectAll().execute())).rejects.toMatchObject({
      kind: 'corrupt',
    });
  });

  test('a read-only file is refused, but to root, whom no mode stops', async () => {
    await (await open()).close();
    chmodSync(file, 0o400);
    if (process.getuid?.() === 0) await (await open()).close();
    else await expect(open()).rejects.toMatchObject({ kind: expect.stringMatching(/refused|unavailable/) });
  });
});

describe('queries', () => {
  test('give back the types of the schema', async () => {
    const { db } = await open();
    const { id } = await db.insertInto('torrents').values(torrent(7)).returning('id').executeTakeFirstOrThrow();
    const row = await db.selectFrom('torrents').selectAll().where('is_private', '=', true).executeTakeFirstOrThrow();
    expect(row).toEqual({
      ...torrent(7),
      id,
      cache_mode: 'on-demand',
      uploaded_bytes: 0,
      downloaded_bytes: 0,
      upload_bytes_per_second: 0,
      download_bytes_per_second: 0,
      error: null,
      completed_at: null,
    });
    expect(Buffer.isBuffer(row.info_hash)).toBe(true);
  });

  test('never give an id twice', async () => {
    const { db } = await open();
    const add = (n: number) => db.insertInto('bundles').values(bundle(n)).returning('id').executeTakeFirstOrThrow();
    const first = await add(1);
    await db.deleteFrom('bundles').execute();
    expect((await add(2)).id).toBeGreaterThan(first.id);
  });

  test('of one info-hash only one import is alive; a unique violation can be told', async () => {
    const { db } = await open();
    const values = {
      info_hash: Buffer.alloc(20, 1),
      source: 'torrent',
      state: 'queued',
      created_at: 1,
      updated_at: 1,
    } as const;
    const both = await Promise.allSettled([1, 2].map(() => db.insertInto('imports').values(values).execute()));
    const lost = both.filter((result) => result.status === 'rejected');
    expect(lost).toHaveLength(1);
    expect(isUniqueViolation(lost[0]?.reason)).toBe(true);
    await db.updateTable('imports').set({ state: 'done' }).execute();
    await db.insertInto('imports').values(values).execute();
    expect(isUniqueViolation(new Error('x'))).toBe(false);
  });

  test('foreign keys hold: a bundle takes its rows along, but not while a torrent lies on it', async () => {
    const { db } = await open();
    const { id } = await db.insertInto('bundles').values(bundle(1)).returning('id').executeTakeFirstOrThrow();
    const chunk = { bundle: id, chunk_index: 0, state: 1, name: Buffer.alloc(32), salt: Buffer.alloc(24) };
    await db.insertInto('chunks').values(chunk).execute();
    await expect(
      db
        .insertInto('chunks')
        .values({ ...chunk, bundle: 99 })
        .execute(),
    ).rejects.toMatchObject({ kind: 'failed' });
    const { id: torrentId } = await db
      .insertInto('torrents')
      .values(torrent(1))
      .returning('id')
      .executeTakeFirstOrThrow();
    const extent = { torrent_id: torrentId, torrent_offset: 0, length: 9, bundle: id, bundle_offset: 0 };
    await db.insertInto('torrent_piece_mappings').values(extent).execute();
    await expect(db.deleteFrom('bundles').execute()).rejects.toMatchObject({ kind: 'failed' });
    await db.deleteFrom('torrents').execute();
    await db.deleteFrom('bundles').execute();
    expect(await db.selectFrom('chunks').selectAll().execute()).toEqual([]);
  });
});
