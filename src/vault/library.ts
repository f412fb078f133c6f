import type { Database } from '../db/index.ts';
import type { Clock } from '../lib/clock.ts';
import { BaeError, errorKind, errorMessage } from '../lib/errors.ts';
import type { Random } from '../lib/random.ts';
import { type Files, writeDurably } from './files.ts';
import {
  createRoot,
  formatKeyFile,
  isRoot,
  type LibraryKeys,
  newSlotKey,
  openRoot,
  parseKeyFile,
  ROOT_NAME,
  type SlotKey,
  sealReason,
} from './seal/index.ts';
import type { ObjectStore } from './store/index.ts';

export interface LibraryParts {
  readonly database: Database;
  readonly store: ObjectStore;
  readonly files: Files;
  readonly keyFile: string;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Opens the library, or makes it at the very first start: key file first (durable), then the root object (only if there is
 * none), then the database's row; a start that was cut short anywhere goes on. Data folder, key file and bucket that do not
 * belong together are `refused` in words; an unreachable store is `unavailable`.
 */
export async function openLibrary(parts: LibraryParts): Promise<LibraryKeys> {
  const known = await parts.database.db.selectFrom('library').select('library_id').executeTakeFirst();
  const keyText = await parts.files.read(parts.keyFile);
  const root = await getRoot(parts.store);
  const where = parts.store.describe();
  if (root !== null && !isRoot(root)) {
    throw new BaeError('corrupt', `The store ${where} has something else as ${ROOT_NAME}: is it the right store?`);
  }
  if (keyText === null && root !== null) {
    throw new BaeError(
      'refused',
      `The store ${where} holds a library, and its key file ${parts.keyFile} is not there: put a copy of it there.`,
    );
  }
  if (known !== undefined && keyText === null) {
    throw new BaeError(
      'refused',
      `The key file ${parts.keyFile} is gone, and only it opens this library: put a copy of it there.`,
    );
  }
  if (known !== undefined && root === null) {
    throw new BaeError(
      'refused',
      `The store ${where} holds no library, but this data folder has one: is it the right store?`,
    );
  }
  const slot = keyText === null ? await makeKeyFile(parts) : readKeyFile(parts, keyText);
  const keys = root === null ? await makeRoot(parts, slot) : openExisting(parts, root, slot);
  if (known === undefined) await saveLibrary(parts, keys);
  else if (!known.library_id.equals(keys.libraryId)) {
    throw new BaeError('refused', `The store ${where} holds another library than this data folder's database.`);
  }
  return keys;
}

async function getRoot(store: ObjectStore): Promise<Buffer | null> {
  try {
    return await store.get(ROOT_NAME);
  } catch (error) {
    if (errorKind(error) === 'missing') return null;
    throw error;
  }
}

async function makeKeyFile(parts: LibraryParts): Promise<SlotKey> {
  const slot = newSlotKey(parts.random);
  await writeDurably(parts.files, parts.keyFile, Buffer.from(formatKeyFile(slot)));
  return slot;
}

function readKeyFile({ keyFile }: LibraryParts, text: Buffer): SlotKey {
  try {
    return parseKeyFile(text.toString('utf8'));
  } catch (cause) {
    throw new BaeError(errorKind(cause), `${keyFile} cannot be used: ${errorMessage(cause)}`, { cause });
  }
}

async function makeRoot(parts: LibraryParts, slot: SlotKey): Promise<LibraryKeys> {
  const { root, keys } = createRoot(slot, parts.random);
  if ((await parts.store.put(ROOT_NAME, root, { ifAbsent: true })) === 'stored') return keys;
  return openExisting(parts, await parts.store.get(ROOT_NAME), slot);
}

function openExisting(parts: LibraryParts, root: Buffer, slot: SlotKey): LibraryKeys {
  const where = parts.store.describe();
  try {
    return openRoot(root, slot);
  } catch (cause) {
    if (errorKind(cause) === 'refused') {
      const words = `The key file ${parts.keyFile} does not belong to the library in ${where}.`;
      throw new BaeError('refused', words, { cause });
    }
    if (sealReason(cause) !== 'wrong-key') throw cause;
    throw new BaeError('refused', `The key in ${parts.keyFile} does not open the library in ${where}.`, { cause });
  }
}

async function saveLibrary(parts: LibraryParts, keys: LibraryKeys): Promise<void> {
  const { db } = parts.database;
  const row = { library_id: keys.libraryId, created_at: parts.clock.now() };
  await db.insertInto('library').values(row).execute();
}
