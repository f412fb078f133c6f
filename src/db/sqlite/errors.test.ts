import { expect, test } from 'vitest';
import { sqliteError } from './errors.ts';

test.each([
  ['SQLITE_BUSY_SNAPSHOT', 'unavailable'],
  ['SQLITE_LOCKED', 'unavailable'],
  ['SQLITE_FULL', 'unavailable'],
  ['SQLITE_IOERR_WRITE', 'unavailable'],
  ['SQLITE_CANTOPEN', 'unavailable'],
  ['SQLITE_READONLY_DBMOVED', 'refused'],
  ['SQLITE_CORRUPT_INDEX', 'corrupt'],
  ['SQLITE_NOTADB', 'corrupt'],
  ['SQLITE_ERROR', 'failed'],
  ['EACCES', 'refused'],
  ['ENOENT', 'unavailable'],
  ['EISDIR', 'refused'],
  ['ENOSPC', 'unavailable'],
  ['', 'failed'],
])('%s is %s', (code, kind) => {
  expect(sqliteError(code, 'words').kind).toBe(kind);
});
