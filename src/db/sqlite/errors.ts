import { BaeError } from '../../lib/errors.ts';

/** SQLite's own error, kept as a BaeError's cause. Its message names columns, never values. */
export class SqliteFailure extends Error {
  /** The extended result code by name: SQLITE_CONSTRAINT_UNIQUE. */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = 'SqliteFailure';
    this.code = code;
  }
}

/** SQLite's or the system's error code and words, as one sentence with a kind (https://www.sqlite.org/rescode.html). */
export function sqliteError(code: string, message: string): BaeError {
  const cause = new SqliteFailure(code, message);
  const primary = code.split('_').slice(0, 2).join('_');
  switch (primary) {
    case 'SQLITE_BUSY':
    case 'SQLITE_LOCKED':
      return new BaeError('unavailable', 'The database is held by another program.', { cause });
    case 'SQLITE_FULL':
      return new BaeError('unavailable', 'The database cannot be written: the disk is full.', { cause });
    case 'SQLITE_IOERR':
      return new BaeError('unavailable', `The database's disk gave an error (${code}).`, { cause });
    case 'SQLITE_CANTOPEN':
      return new BaeError('unavailable', 'The database file cannot be opened.', { cause });
    case 'SQLITE_READONLY':
    case 'SQLITE_PERM':
    case 'SQLITE_AUTH':
      return new BaeError('refused', 'The database file cannot be written: it is read-only.', { cause });
    case 'SQLITE_CORRUPT':
      return new BaeError('corrupt', 'The database file is damaged.', { cause });
    case 'SQLITE_NOTADB':
      return new BaeError('corrupt', 'The database file is not a database.', { cause });
    case 'ENOENT':
    case 'ENOTDIR':
      return new BaeError('unavailable', 'The database file cannot be opened: its folder is not there.', { cause });
    case 'EISDIR':
      return new BaeError('refused', 'The database file cannot be opened: it is a folder.', { cause });
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new BaeError('refused', 'The database file cannot be opened: not allowed.', { cause });
    case 'ENOSPC':
      return new BaeError('unavailable', 'The database file cannot be made: the disk is full.', { cause });
    default:
      return new BaeError('failed', `The database refused a query: ${message}.`, { cause });
  }
}

/** Whether a query failed because a row with that key is there already. */
export function isUniqueViolation(error: unknown): boolean {
  const cause = error instanceof BaeError ? error.cause : error;
  if (!(cause instanceof SqliteFailure)) return false;
  return cause.code === 'SQLITE_CONSTRAINT_UNIQUE' || cause.code === 'SQLITE_CONSTRAINT_PRIMARYKEY';
}
