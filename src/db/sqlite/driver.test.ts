import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { temporaryDatabase } from '../../../test/parts/database.ts';
import { systemClock } from '../../lib/clock.ts';
import { openDatabase } from '../database.ts';
import { template } from '../template.ts';
import { MAX_PENDING_REQUESTS, SqliteClient } from './client.ts';

let database: Awaited<ReturnType<typeof temporaryDatabase>>;

beforeEach(async () => {
  database = await temporaryDatabase();
});

afterEach(() => database.remove());

const put = (key: string, value: number) => database.db.insertInto('settings').values({ key, value_json: value });
const keys = async () =>
  (await database.db.selectFrom('settings').select('key').orderBy('key').execute()).map((row) => row.key);

describe('transactions', () => {
  test('run one after the other, each whole, while reads outside see only what is committed', async () => {
    const { db } = database;
    await put('counter', 0).execute();
    const counter = sql<number>`cast(value_json as integer)`.as('value');
    const increment = () =>
      db.transaction().execute(async (trx) => {
        const { value } = await trx.selectFrom('settings').select(counter).executeTakeFirstOrThrow();
        const outside = await db.selectFrom('settings').select(counter).executeTakeFirstOrThrow();
        expect(outside.value).toBe(value);
        await trx
          .updateTable('settings')
          .set({ value_json: value + 1 })
          .execute();
        const again = await db.selectFrom('settings').select(counter).executeTakeFirstOrThrow();
        expect(again.value).toBe(value);
      });
    await Promise.all(Array.from({ length: 50 }, increment));
    expect(await db.selectFrom('settings').select('value_json').execute()).toEqual([{ value_json: 50 }]);
  });

  test('roll back whole on an error, and the next one goes on', async () => {
    const { db } = database;
    const failing = db.transaction().execute(async (trx) => {
      await trx.insertInto('settings').values({ key: 'a', value_json: 1 }).execute();
      throw new Error('stop');
    });
    const writing = put('b', 1).execute();
    await expect(failing).rejects.toThrow('stop');
    await writing;
    expect(await keys()).toEqual(['b']);
  });

  test('have savepoints', async () => {
    const trx = await database.db.startTransaction().execute();
    await trx.insertInto('settings').values({ key: 'a', value_json: 1 }).execute();
    const saved = await trx.savepoint('here').execute();
    await saved.insertInto('settings').values({ key: 'b', value_json: 1 }).execute();
    await saved.rollbackToSavepoint('here').execute();
    await trx.commit().execute();
    expect(await keys()).toEqual(['a']);
  });

  test('that the database rolled back by itself let no later statement through', async () => {
    const { db } = database;
    const transaction = db.transaction().execute(async (trx) => {
      await trx.insertInto('settings').values({ key: 'a', value_json: 1 }).execute();
      await sql`rollback`.execute(trx);
      await trx.insertInto('settings').values({ key: 'b', value_json: 1 }).execute();
    });
    await expect(transaction).rejects.toThrow('rolled back');
    await put('c', 1).execute();
    expect(await keys()).toEqual(['c']);
  });

  test('a full database says so, loses nothing and goes on when there is room', async () => {
    const { db } = database;
    await put('small', 1).execute();
    const { rows } = await sql<{ page_count: number }>`pragma page_count`.execute(db);
    await sql.raw(`pragma max_page_count = ${rows[0]?.page_count}`).execute(db);
    const big = db.insertInto('settings').values({ key: 'big', value_json: 'x'.repeat(100_000) });
    await expect(big.execute()).rejects.toMatchObject({
      kind: 'unavailable',
      retryable: true,
      message: expect.stringContaining('disk is full'),
    });
    const inside = db.transaction().execute((trx) => trx.executeQuery(big.compile()));
    await expect(inside).rejects.toMatchObject({ kind: 'unavailable' });
    expect(await keys()).toEqual(['small']);
    await sql`pragma max_page_count = 1000000`.execute(db);
    await big.execute();
    expect(await keys()).toEqual(['big', 'small']);
  });
});

describe('batches', () => {
  test('are all or none, and count what changed', async () => {
    const { db, batch } = database;
    expect(await batch([put('a', 1), put('b', 2)])).toBe(2);
    await expect(batch([put('c', 1), put('a', 1)])).rejects.toMatchObject({ kind: 'failed' });
    expect(await keys()).toEqual(['a', 'b']);
    expect(await batch([])).toBe(0);
    expect(await batch([db.deleteFrom('settings')])).toBe(2);
  });

  test('take a query that was compiled once, with other values in its places', async () => {
    const { db, batch } = database;
    const saved = template(
      put('marker', -1).onConflict((conflict) => conflict.column('key').doUpdateSet({ value_json: -1 })),
      ['marker', -1],
    );
    expect(await batch([saved(['a', 1]), saved(['b', 2]), saved(['a', 3])])).toBe(3);
    const rows = await db.selectFrom('settings').select(['key', 'value_json']).orderBy('key').execute();
    expect(rows.map((row) => [row.key, Number(row.value_json)])).toEqual([
      ['a', 3],
      ['b', 2],
    ]);
  });

  test('wait for a transaction under way', async () => {
    const order: string[] = [];
    let batch: Promise<number> | undefined;
    const transaction = database.db.transaction().execute(async (trx) => {
      await trx.insertInto('settings').values({ key: 'a', value_json: 1 }).execute();
      batch = database.batch([put('c', 1)]).then(() => order.push('batch'));
      await new Promise((resolve) => setImmediate(resolve));
      await trx.insertInto('settings').values({ key: 'b', value_json: 1 }).execute();
      order.push('transaction');
    });
    await transaction;
    await batch;
    expect(order).toEqual(['transaction', 'batch']);
  });
});

describe('limits and ends', () => {
  test('too many queries at once are told to come back; the rest are answered', async () => {
    const client = await SqliteClient.open(database.file);
    const request = { op: 'read', statement: { sql: 'select 1', parameters: [] } } as const;
    const sent = Array.from({ length: MAX_PENDING_REQUESTS + 10 }, () => client.send(request));
    const all = await Promise.allSettled(sent);
    const refused = all.filter((result) => result.status === 'rejected');
    expect(refused).toHaveLength(10);
    expect(refused[0]?.reason).toMatchObject({ kind: 'unavailable' });
    expect((await client.send(request)).rows).toHaveLength(1);
    await client.close();
  });

  test('close answers what is waiting, and may be called twice; later queries are refused', async () => {
    const writes = Array.from({ length: 20 }, (_, index) => put(`${index}`, index).execute());
    await new Promise((resolve) => setImmediate(resolve));
    await Promise.all([database.close(), database.close()]);
    await expect(database.batch([put('late', 1)])).rejects.toMatchObject({ kind: 'unavailable' });
    await Promise.all(writes);
  });

  test('reads cannot write', async () => {
    const { db } = database;
    await expect(db.selectFrom('settings').select(sql`no_such_function()`.as('x')).execute()).rejects.toMatchObject({
      kind: 'failed',
    });
  });

  test('what was committed outlives kill -9, what was not does not', async () => {
    const program = `
      import { openDatabase } from ${JSON.stringify(new URL('../index.ts', import.meta.url).href)};
      import { systemClock } from ${JSON.stringify(new URL('../../lib/clock.ts', import.meta.url).href)};
      const { db } = await openDatabase('sqlite:' + process.argv[1], { clock: systemClock });
      for (let i = 0; ; i++) {
        await db.insertInto('settings').values({ key: 'k' + i, value_json: i }).execute();
        process.stdout.write(i + '\\n');
        if (i === 20) {
          const trx = await db.startTransaction().execute();
          await trx.insertInto('settings').values({ key: 'open', value_json: 0 }).execute();
          process.stdout.write('open\\n');
        }
      }`;
    await database.close();
    const child = spawn(process.execPath, ['--input-type=module', '-e', program, database.file], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (data) => {
      said += data;
      if (said.includes('open')) child.kill('SIGKILL');
    });
    await once(child, 'close');
    const again = await openDatabase(`sqlite:${database.file}`, { clock: systemClock });
    const rows = await again.db.selectFrom('settings').select('key').execute();
    await again.close();
    expect(rows).toHaveLength(21);
  });
});
