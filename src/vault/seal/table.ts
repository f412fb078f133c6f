import { hash } from 'node:crypto';
import { z } from 'zod';
import { bundleBinding } from './chunk-object.ts';
import { decodeDocument, encodeDocument, MAX_TABLE_BYTES } from './document.ts';
import { type EnvelopeKey, openEnvelope, sealEnvelope } from './envelope.ts';
import { sealError } from './fault.ts';
import { CHUNK_PLAIN_BYTES, DEFAULT_SUITE, HASH_BYTES, ID_BYTES, SALT_BYTES, type Suite } from './layout.ts';
import { generationNumber, hexBytes, parseJson, whole } from './schema.ts';

/** name ‖ salt of one chunk object. */
export const RECORD_BYTES = HASH_BYTES + SALT_BYTES;
const SHA1_BYTES = 20;

/** One file of a bundle's stream; `path` is for display only. */
export interface TableFile {
  readonly path: readonly string[];
  readonly length: number;
  /** A pad file (BEP 47). */
  readonly pad?: boolean;
}

/** A run of a torrent's bytes: in a bundle's stream, or zeros stored nowhere (null). */
export interface TableExtent {
  readonly torrentOffset: number;
  readonly length: number;
  readonly bundleId: Buffer | null;
  readonly bundleOffset: number;
}

export interface TableTorrent {
  /** SHA-1 of `info`, 20 bytes. */
  readonly infoHash: Buffer;
  /** The raw info dictionary. */
  readonly info: Buffer;
  /** null: the torrent's bytes are this bundle's stream. */
  readonly extents: readonly TableExtent[] | null;
}

/** What is in a bundle and where its bytes are; immutable. */
export interface ContentTable {
  readonly bundleId: Buffer;
  /** The manifest generation that first names this table. */
  readonly generation: number;
  /** The suite of all chunk objects named here. */
  readonly suite: Suite;
  /** Bytes of the bundle's stream; the files' lengths add up to it. */
  readonly length: number;
  readonly files: readonly TableFile[];
  readonly torrents: readonly TableTorrent[];
  /** RECORD_BYTES a chunk, by index: object name (32) ‖ salt (24). See `tableRecord`. */
  readonly records: Buffer;
}

/** What a table is bound to. */
export interface TableIds {
  readonly bundleKey: Uint8Array;
  readonly libraryId: Uint8Array;
  readonly bundleId: Uint8Array;
  readonly generation: number;
}

const extentSchema = z.tuple([whole, whole, hexBytes(ID_BYTES).nullable(), whole]);
const tableSchema = z.object({
  schema: z.literal('bae table 1'),
  bundle: hexBytes(ID_BYTES),
  generation: generationNumber,
  suite: z.union([z.literal(1), z.literal(2)]),
  length: whole,
  chunks: whole,
  files: z.array(z.object({ path: z.array(z.string()), length: whole, pad: z.boolean().optional() })),
  torrents: z.array(
    z.object({ infoHash: hexBytes(SHA1_BYTES), infoLength: whole, extents: z.array(extentSchema).nullable() }),
  ),
});

/** The object name (32 bytes) and salt (24 bytes) of one chunk. */
export function tableRecord(table: ContentTable, chunkIndex: number): { name: Buffer; salt: Buffer } {
  const at = chunkIndex * RECORD_BYTES;
  const record = table.records.subarray(at, at + RECORD_BYTES);
  if (record.length !== RECORD_BYTES)
    throw new RangeError(`chunk ${chunkIndex} of ${table.records.length / RECORD_BYTES}`);
  return { name: record.subarray(0, HASH_BYTES), salt: record.subarray(HASH_BYTES) };
}

/** Seals a table; `name` (SHA-256, 32 bytes) names the object. `salt`: 24 random bytes used once. */
export function sealTable(
  keys: { readonly bundleKey: Uint8Array; readonly libraryId: Uint8Array },
  table: ContentTable,
  salt: Uint8Array,
): { object: Buffer; name: Buffer } {
  checkTable(table);
  const json = {
    schema: 'bae table 1',
    bundle: table.bundleId.toString('hex'),
    generation: table.generation,
    suite: table.suite,
    length: table.length,
    chunks: table.records.length / RECORD_BYTES,
    files: table.files.map(({ path, length, pad }) => (pad ? { path, length, pad } : { path, length })),
    torrents: table.torrents.map((torrent) => ({
      infoHash: torrent.infoHash.toString('hex'),
      infoLength: torrent.info.length,
      extents: torrent.extents?.map(extentJson) ?? null,
    })),
  };
  const sections = [table.records, ...table.torrents.map((torrent) => torrent.info)];
  const ids = { ...keys, bundleId: table.bundleId, generation: table.generation };
  const header = { suite: DEFAULT_SUITE, salt };
  const object = sealEnvelope(tableEnvelope(ids), header, encodeDocument(json, sections, MAX_TABLE_BYTES));
  return { object, name: hash('sha256', object, 'buffer') };
}

/** Opens a table; `corrupt` with a sealReason when it is not the one of these ids, or not right in itself. */
export function openTable(object: Uint8Array, ids: TableIds): ContentTable {
  const parts = decodeDocument(openEnvelope(tableEnvelope(ids), object), 'A content table');
  const json = parseJson(tableSchema, parts.text, 'A content table');
  const records = parts.take(json.chunks * RECORD_BYTES);
  const torrents = json.torrents.map(({ infoHash, infoLength, extents }) => ({
    infoHash,
    info: parts.take(infoLength),
    extents:
      extents?.map(([torrentOffset, length, bundleId, bundleOffset]) => {
        return { torrentOffset, length, bundleId, bundleOffset };
      }) ?? null,
  }));
  parts.end();
  const files = json.files.map(({ path, length, pad }) => (pad ? { path, length, pad } : { path, length }));
  const { generation, suite, length } = json;
  const table = { bundleId: json.bundle, generation, suite, length, files, torrents, records };
  if (!table.bundleId.equals(ids.bundleId) || generation !== ids.generation) {
    throw sealError('altered', 'A content table names another bundle or generation than it is sealed for.');
  }
  checkTable(table);
  return table;
}

/** What must hold before sealing and after opening. */
function checkTable(table: ContentTable): void {
  const chunks = Math.ceil(table.length / CHUNK_PLAIN_BYTES);
  const filesLength = table.files.reduce((sum, file) => sum + file.length, 0);
  const hashed = table.torrents.every(({ info, infoHash }) => hash('sha1', info, 'buffer').equals(infoHash));
  if (table.records.length !== chunks * RECORD_BYTES || filesLength !== table.length || !hashed) {
    throw sealError(
      'altered',
      'A content table contradicts itself: its chunks, file lengths or info-hashes do not add up.',
    );
  }
}

function extentJson({ torrentOffset, length, bundleId, bundleOffset }: TableExtent) {
  return [torrentOffset, length, bundleId?.toString('hex') ?? null, bundleOffset];
}

function tableEnvelope(ids: TableIds): EnvelopeKey {
  return { kind: 'table', key: ids.bundleKey, binding: bundleBinding(ids.libraryId, ids.bundleId, ids.generation) };
}
