import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { BaeError, errorMessage } from '../lib/errors.ts';

/**
 * Takes the data folder for this process; returns the way to give it free. Throws `refused` when another process has it.
 *
 * The lock is SQLite's own on an empty database file: the system ends it with the process, however that dies, and knows no
 * process numbers that containers could share. Node has no file locks of its own.
 */
export function lockFolder(folder: string): () => void {
  const path = join(folder, 'lock');
  let file: Sqlite.Database | undefined;
  try {
    file = new Sqlite(path, { timeout: 0 });
    file.exec('begin exclusive');
  } catch (cause) {
    file?.close();
    const busy = (cause as { code?: string }).code?.startsWith('SQLITE_BUSY') === true;
    if (busy) throw new BaeError('refused', `Another bae is running on ${folder}: stop it first.`, { cause });
    throw new BaeError('refused', `${path} cannot be locked (${errorMessage(cause)}): may it be written?`, { cause });
  }
  const locked = file;
  return () => locked.close();
}
