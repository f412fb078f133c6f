import fc from 'fast-check';
import { expect, test } from 'vitest';
import { temporaryDatabase } from '../../test/parts/database.ts';
import { decodeRows, encodeParameter } from './codec.ts';

test('what cannot come back unchanged is refused', () => {
  for (const value of [undefined, Number.NaN, Infinity, 2 ** 53, -(2 ** 60), 2n ** 53n, Symbol('x'), () => 1]) {
    expect(() => encodeParameter(value)).toThrow('cannot be stored');
  }
});

test('bytes do not drag their buffer along', () => {
  const view = Buffer.alloc(10_000).subarray(5, 8);
  const encoded = encodeParameter(view) as Uint8Array;
  expect(encoded.buffer.byteLength).toBe(3);
  const own = new Uint8Array(4);
  expect(encodeParameter(own)).toBe(own);
});

test('JSON that is none is named corrupt', () => {
  expect(() => decodeRows([{ peers_json: '[' }])).toThrow('peers_json');
  expect(
    decodeRows([
      { is_a: 1, b_json: null },
      { is_a: 0, b_json: '[1]' },
    ]),
  ).toEqual([
    { is_a: true, b_json: null },
    { is_a: false, b_json: [1] },
  ]);
});

test('values of every type come back from a table as they went in', async () => {
  const database = await temporaryDatabase();
  const { db } = database;
  let n = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.maxSafeInteger(),
      fc.boolean(),
      fc.option(fc.string({ unit: 'binary' })),
      fc.array(fc.array(fc.string())),
      fc.uint8Array({ minLength: 0, maxLength: 50 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      async (integer, flag, text, tiers, bytes, progress) => {
        const info_hash = Buffer.from([...bytes, ...Buffer.from(`${n++}`)]);
        const sent = {
          info_hash,
          name: text,
          peers_json: tiers.flat(),
          is_retryable: flag,
          progress,
          created_at: integer,
        };
        await db
          .insertInto('imports')
          .values({ ...sent, source: 'torrent', state: 'queued', updated_at: 0 })
          .execute();
        const got = await db
          .selectFrom('imports')
          .select(['info_hash', 'name', 'peers_json', 'is_retryable', 'progress', 'created_at'])
          .where('info_hash', '=', info_hash)
          .where('created_at', '=', integer)
          .where('is_retryable', '=', flag)
          .executeTakeFirst();
        expect(got).toEqual({ ...sent, progress: progress === 0 ? 0 : progress });
      },
    ),
    { numRuns: 40 },
  );
  await database.remove();
});
