import { BaeError, errorMessage } from '../../lib/errors.ts';

/** The system's code of an error (`ENOENT` …), or ''. */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** Swallows "there is no such file", throws the rest. */
export function ignoreAbsent(error: unknown): void {
  if (errorCode(error) !== 'ENOENT') throw error;
}

/** A system error in the directory store `root`, while it did something about `subject`, told as a BaeError. */
export function tellFileError(root: string, subject: string, error: unknown): BaeError {
  if (error instanceof BaeError) return error;
  const cause = error;
  switch (errorCode(error)) {
    case 'ENOENT':
      return new BaeError('unavailable', `The folder ${root} is not there; is its disk mounted?`, { cause });
    case 'ENOSPC':
    case 'EDQUOT':
      return new BaeError('unavailable', `The disk of ${root} is full.`, { cause });
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new BaeError('refused', `The store in ${root} may not be used: ${errorMessage(error)}.`, { cause });
    case 'EEXIST':
    case 'EISDIR':
    case 'ENOTDIR':
      return new BaeError('refused', `The store in ${root} failed at ${subject}: a file is where a folder should be.`, {
        cause,
      });
    case 'EIO':
    case 'EMFILE':
    case 'ENFILE':
    case 'ESTALE':
    case 'ETIMEDOUT':
      return new BaeError('unavailable', `The store in ${root} does not answer: ${errorMessage(error)}.`, { cause });
  }
  return new BaeError('failed', `The store in ${root} failed at ${subject}: ${errorMessage(error)}.`, { cause });
}
