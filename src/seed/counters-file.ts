// The one place of this room that touches the file system.
import { open } from 'node:fs/promises';
import { BaeError, errorMessage } from '../lib/errors.ts';
import { type CounterRecord, decodeRecords, encodeRecord, RECORD_BYTES } from './counter-record.ts';

/** Torrents whose counters moved since the database was last told them: more than peers may be connected. */
export const SLOTS = 4_096;
/** Each slot has two places, written in turn, so that a write that a crash tears leaves the one before. */
const PLACES = 2;

/** Counters between two writes of the database: where the end of the process, but not of the machine, cannot lose them. */
export interface CountersFile {
  /** What an earlier run left. Several records may tell of one session: the largest counts. */
  read(): Promise<CounterRecord[]>;
  /** Forgets all, since the database has it. */
  clear(): Promise<void>;
  /** Writes a record into one of SLOTS slots; not waited for is the disk itself. One write a slot at a time. */
  write(slot: number, record: CounterRecord): Promise<void>;
  close(): Promise<void>;
}

/** Opens the file, or makes it (0600). All rejections are BaeErrors `unavailable`. */
export async function openCountersFile(path: string): Promise<CountersFile> {
  // Never truncated here: what is in it may be all there is. ('r+' does not make a file, 'a' cannot write in the middle.)
  const file = await attempt(async () => {
    await (await open(path, 'a', 0o600)).close();
    return open(path, 'r+');
  });
  const place = new Uint8Array(SLOTS);
  return {
    read: () =>
      attempt(async () => {
        const bytes = Buffer.alloc(SLOTS * PLACES * RECORD_BYTES);
        let done = 0;
        while (done < bytes.length) {
          const { bytesRead } = await file.read(bytes, done, bytes.length - done, done);
          if (bytesRead === 0) break;
          done += bytesRead;
        }
        return decodeRecords(bytes.subarray(0, done));
      }),
    clear: () => attempt(() => file.truncate(0)),
    write: (slot, record) =>
      attempt(async () => {
        const which = (place[slot] as number) % PLACES;
        const { bytesWritten } = await file.write(
          encodeRecord(record),
          0,
          RECORD_BYTES,
          (slot * PLACES + which) * RECORD_BYTES,
        );
        if (bytesWritten < RECORD_BYTES) throw new Error('the disk took part of a record');
        // Only now is the other place the older one.
        place[slot] = (which + 1) % PLACES;
      }),
    close: () => attempt(() => file.close()),
  };
}

async function attempt<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (cause) {
    const full = (cause as NodeJS.ErrnoException).code === 'ENOSPC';
    const words = full
      ? 'The disk is full: counters cannot be saved.'
      : `The disk refuses counters: ${errorMessage(cause)}.`;
    throw new BaeError('unavailable', words, { cause });
  }
}
