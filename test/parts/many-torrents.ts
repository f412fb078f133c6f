// A library of many torrents without content: the rows that an import leaves, written as they are.
import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Database, openDatabase } from '../../src/db/index.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { systemRandom } from '../../src/lib/random.ts';
import {
  HASH_BYTES,
  ID_BYTES,
  KEY_BYTES,
  type LibraryKeys,
  openRoot,
  parseKeyFile,
  ROOT_NAME,
  SALT_BYTES,
  wrapBundleKey,
} from '../../src/vault/seal/index.ts';
import { bencode } from './torrent.ts';

const SHA1_BYTES = 20;
const PIECES = 300;
const FILES = 4;
const PIECE_BYTES = 16_384;
const FILE_BYTES = (PIECES * PIECE_BYTES) / FILES;
const CHUNK_BYTES = 1_048_576;
const TOTAL_BYTES = PIECES * PIECE_BYTES;
const CHUNKS = Math.ceil(TOTAL_BYTES / CHUNK_BYTES);
/** Torrents written in one transaction. */
const AT_ONCE = 200;
const STORED = 2;

const fileName = (at: number) => `0${at + 1} - Track.flac`;

/** How a synthetic torrent and its first file are called, how many files it has and how long each is. */
export function manyNames(number: number) {
  const name = `Artist ${number % 1_000} - Album ${number} (1999) [FLAC]`;
  return { name, file: fileName(0), files: FILES, fileBytes: FILE_BYTES };
}

/** The info dictionary of one synthetic torrent: 300 pieces, 4 files. */
export function infoOf(number: number): Buffer {
  const files = Array.from({ length: FILES }, (_, at) => ({ length: FILE_BYTES, path: [fileName(at)] }));
  const { name } = manyNames(number);
  return bencode({ files, name, 'piece length': PIECE_BYTES, pieces: randomBytes(PIECES * SHA1_BYTES), private: 1 });
}

/** Writes `count` seeded torrents, from `firstId` on, into the data folder of a bae that ran once; gives their info-hashes. */
export async function fillLibrary(dataDir: string, storeDir: string, count: number, tracker: string, firstId = 1) {
  const root = await readFile(join(storeDir, ROOT_NAME));
  const keys = openRoot(root, parseKeyFile(await readFile(join(dataDir, 'library.key'), 'utf8')));
  const database = await openDatabase(`sqlite:${join(dataDir, 'bae.db')}`, { clock: systemClock });
  const infoHashes: Buffer[] = [];
  try {
    for (let from = 1; from <= count; from += AT_ONCE) {
      const infos = Array.from({ length: Math.min(AT_ONCE, count - from + 1) }, (_, at) => infoOf(from + at));
      await database.batch(rowsOf(database, keys, firstId + from - 1, infos, tracker));
      infoHashes.push(...infos.map((info) => createHash('sha1').update(info).digest()));
    }
  } finally {
    await database.close();
  }
  return infoHashes;
}

/** Takes the trackers from all torrents but the first `kept`, so that no more is announced. */
export async function dropTrackers(dataDir: string, kept = 0): Promise<void> {
  const database = await openDatabase(`sqlite:${join(dataDir, 'bae.db')}`, { clock: systemClock });
  await database.db.updateTable('torrents').set({ trackers_json: [] }).where('id', '>', kept).execute();
  await database.close();
}

function rowsOf({ db }: Database, keys: LibraryKeys, from: number, infos: readonly Buffer[], tracker: string) {
  const each = <Row>(row: (id: number, info: Buffer) => Row) => infos.map((info, at) => row(from + at, info));
  const bundle_id = randomBytes(ID_BYTES);
  const wrapped_key = wrapBundleKey(keys, bundle_id, randomBytes(KEY_BYTES), systemRandom);
  const bundles = each((id) => {
    // One key for all would do too, but bundle ids are unique.
    const own = id === from ? bundle_id : randomBytes(ID_BYTES);
    const wrapped = id === from ? wrapped_key : wrapBundleKey(keys, own, randomBytes(KEY_BYTES), systemRandom);
    const size = { total_length: TOTAL_BYTES, chunk_count: CHUNKS };
    return { id, bundle_id: own, wrapped_key: wrapped, ...size, state: 'committed' as const, created_at: id };
  });
  const torrents = each((id, info) => ({
    ...{ id, info_hash: createHash('sha1').update(info).digest(), name: `Artist - Album ${id}` },
    ...{ total_length: TOTAL_BYTES, piece_length: PIECE_BYTES, piece_count: PIECES, is_private: true },
    ...{ is_seeding: true, trackers_json: [[tracker]], added_at: id, completed_at: id },
  }));
  const metainfo = each((id, info) => ({ torrent_id: id, info }));
  const extents = each((id) => ({
    ...{ torrent_id: id, torrent_offset: 0, length: TOTAL_BYTES, bundle: id, bundle_offset: 0 },
  }));
  const chunks = each((id) =>
    Array.from({ length: CHUNKS }, (_, chunk_index) => ({
      ...{ bundle: id, chunk_index, state: STORED, name: randomBytes(HASH_BYTES), salt: randomBytes(SALT_BYTES) },
    })),
  ).flat();
  const sessions = each((id) => ({
    ...{ torrent_id: id, peer_id: Buffer.concat([Buffer.from('-BA0001-'), randomBytes(12)]), key: id },
    ...{ started_with: tracker, is_completed_sent: true, updated_at: id },
  }));
  return [
    db.insertInto('bundles').values(bundles),
    db.insertInto('torrents').values(torrents),
    db.insertInto('torrent_metainfo').values(metainfo),
    db.insertInto('torrent_piece_mappings').values(extents),
    db.insertInto('chunks').values(chunks),
    db.insertInto('announce_sessions').values(sessions),
  ];
}
