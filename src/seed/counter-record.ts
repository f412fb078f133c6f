import { crc32 } from 'node:zlib';

/** One record, with room so that none straddles two sectors of a disk. */
export const RECORD_BYTES = 128;
const MAGIC = 'BAEC';
const COUNTERS = ['uploadedBytes', 'downloadedBytes', 'totalUploadedBytes', 'totalDownloadedBytes'] as const;

/** The payload counters of one announce session at one moment. */
export interface CounterRecord {
  readonly torrentId: number;
  /** 20 bytes. */
  readonly infoHash: Buffer;
  /** 20 bytes; a new one for each announce session, so it names the session. */
  readonly peerId: Buffer;
  /** Under this peer id. */
  readonly uploadedBytes: number;
  readonly downloadedBytes: number;
  /** Of the torrent's whole life. */
  readonly totalUploadedBytes: number;
  readonly totalDownloadedBytes: number;
}

/*
 * offset  bytes
 *      0      4  "BAEC"
 *      4      8  torrent id          all numbers big-endian
 *     12     20  info-hash
 *     32     20  peer id
 *     52   4 × 8  counters, in the order of COUNTERS
 *     84      4  CRC-32 of all before
 *     88     40  zeros
 */
const ID_AT = 4;
const INFO_HASH_AT = 12;
const PEER_ID_AT = 32;
const COUNTERS_AT = 52;
const CHECK_AT = 84;

export function encodeRecord(record: CounterRecord): Buffer {
  const bytes = Buffer.alloc(RECORD_BYTES);
  bytes.write(MAGIC, 'latin1');
  bytes.writeBigUInt64BE(BigInt(record.torrentId), ID_AT);
  record.infoHash.copy(bytes, INFO_HASH_AT, 0, PEER_ID_AT - INFO_HASH_AT);
  record.peerId.copy(bytes, PEER_ID_AT, 0, COUNTERS_AT - PEER_ID_AT);
  for (const [index, name] of COUNTERS.entries()) bytes.writeBigUInt64BE(BigInt(record[name]), COUNTERS_AT + 8 * index);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, CHECK_AT)), CHECK_AT);
  return bytes;
}

/** All whole records in a file's bytes; one that was torn by a crash, or never written, is left out. */
export function decodeRecords(file: Buffer): CounterRecord[] {
  const records: CounterRecord[] = [];
  for (let at = 0; at + RECORD_BYTES <= file.length; at += RECORD_BYTES) {
    const record = decodeRecord(file.subarray(at, at + RECORD_BYTES));
    if (record !== null) records.push(record);
  }
  return records;
}

function decodeRecord(bytes: Buffer): CounterRecord | null {
  if (bytes.toString('latin1', 0, ID_AT) !== MAGIC) return null;
  if (bytes.readUInt32BE(CHECK_AT) !== crc32(bytes.subarray(0, CHECK_AT))) return null;
  const number = (at: number) => Number(bytes.readBigUInt64BE(at));
  const [uploadedBytes, downloadedBytes, totalUploadedBytes, totalDownloadedBytes] = COUNTERS.map((_, index) =>
    number(COUNTERS_AT + 8 * index),
  ) as [number, number, number, number];
  return {
    torrentId: number(ID_AT),
    infoHash: Buffer.from(bytes.subarray(INFO_HASH_AT, PEER_ID_AT)),
    peerId: Buffer.from(bytes.subarray(PEER_ID_AT, COUNTERS_AT)),
    uploadedBytes,
    downloadedBytes,
    totalUploadedBytes,
    totalDownloadedBytes,
  };
}
