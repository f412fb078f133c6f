import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { BaeError } from '../../lib/errors.ts';
import type { Random } from '../../lib/random.ts';
import { sealError, sealReason } from './fault.ts';
import type { SlotKey } from './key-file.ts';
import { ID_BYTES, KEY_BYTES } from './layout.ts';
import { epochSubject, type LibraryKeys } from './library-keys.ts';
import { hexBytes, parseJson, whole } from './schema.ts';
import { subkey, unwrapKey, WRAPPED_KEY_BYTES, wrapKey } from './wrap.ts';

/** More than a root with all its slots and earlier keys has. */
export const MAX_ROOT_BYTES = 262_144;
const MAX_SLOTS = 64;
const MAX_PREVIOUS = 1_000;
const MAC_LINE = /^[0-9a-f]{64}$/;
/** The naming key is the library's own. */
const NO_SUBJECT = Buffer.alloc(ID_BYTES);

const wrapped = hexBytes(WRAPPED_KEY_BYTES);
const slotSchema = z.object({
  id: hexBytes(ID_BYTES),
  type: z.enum(['file', 'passphrase', 'kit']),
  masterKey: wrapped,
  slotKey: wrapped,
});
const rootSchema = z.object({
  schema: z.literal('bae library 1'),
  library: hexBytes(ID_BYTES),
  epoch: whole.min(1),
  namingKey: wrapped,
  previous: z.array(z.object({ epoch: whole.min(1), key: wrapped })).max(MAX_PREVIOUS),
  slots: z.array(slotSchema).min(1).max(MAX_SLOTS),
});

/** The slot of a library that does not exist yet: write it as its key file first, then put `createRoot`'s object. */
export function newSlotKey(random: Random): SlotKey {
  return { libraryId: random.bytes(ID_BYTES), slotId: random.bytes(ID_BYTES), key: random.bytes(KEY_BYTES) };
}

/** Makes a library's keys and its root object with one slot of type file. */
export function createRoot(slot: SlotKey, random: Random): { root: Buffer; keys: LibraryKeys } {
  const { libraryId, slotId } = slot;
  const master = { epoch: 1, key: random.bytes(KEY_BYTES) };
  const namingKey = random.bytes(KEY_BYTES);
  const byMaster = (purpose: 'bae naming key' | 'bae slot key', subject: Buffer, key: Buffer) =>
    wrapKey({ wrapper: master.key, purpose, libraryId, subject }, key, random).toString('hex');
  const bySlot = { wrapper: slot.key, purpose: 'bae master key', libraryId, subject: slotId } as const;
  const json = {
    schema: 'bae library 1',
    library: libraryId.toString('hex'),
    epoch: master.epoch,
    namingKey: byMaster('bae naming key', NO_SUBJECT, namingKey),
    previous: [],
    slots: [
      {
        id: slotId.toString('hex'),
        type: 'file',
        masterKey: wrapKey(bySlot, master.key, random).toString('hex'),
        slotKey: byMaster('bae slot key', slotId, slot.key),
      },
    ],
  };
  const line = JSON.stringify(json);
  const root = Buffer.from(`${line}\n${rootMac(master.key, libraryId, line).toString('hex')}\n`);
  return { root, keys: { libraryId, namingKey, master, previous: [] } };
}

/**
 * Opens the root object with one slot's key. `refused` when the key is another library's or its slot is gone; `corrupt`
 * with a sealReason when the root was altered or the key does not fit.
 */
export function openRoot(root: Uint8Array, slot: SlotKey): LibraryKeys {
  const { json, line, mac } = parseRoot(root);
  const libraryId = json.library;
  if (!libraryId.equals(slot.libraryId)) {
    throw new BaeError('refused', 'The key file is of another library than the one in this store.');
  }
  const found = json.slots.find(({ id }) => id.equals(slot.slotId));
  if (found === undefined)
    throw new BaeError('refused', 'The library no longer takes this key file: its slot was removed.');
  const subject = slot.slotId;
  const master = unwrapKey({ wrapper: slot.key, purpose: 'bae master key', libraryId, subject }, found.masterKey);
  if (!timingSafeEqual(rootMac(master, libraryId, line), mac)) {
    throw sealError('altered', 'The root object k/library was altered: its check does not match.');
  }
  const byMaster = { wrapper: master, libraryId } as const;
  return {
    libraryId,
    namingKey: unwrapKey({ ...byMaster, purpose: 'bae naming key', subject: NO_SUBJECT }, json.namingKey),
    master: { epoch: json.epoch, key: master },
    previous: json.previous.map(({ epoch, key }) => {
      return { epoch, key: unwrapKey({ ...byMaster, purpose: 'bae old master', subject: epochSubject(epoch) }, key) };
    }),
  };
}

/** Whether these bytes have the form of a root object; that takes no key, and says nothing of what they are worth. */
export function isRoot(root: Uint8Array): boolean {
  try {
    parseRoot(root);
    return true;
  } catch (error) {
    if (sealReason(error) === null) throw error;
    return false;
  }
}

function parseRoot(root: Uint8Array) {
  if (root.length > MAX_ROOT_BYTES) throw sealError('altered', 'The root object k/library is too long to be one.');
  const [line, mac, rest, ...more] = Buffer.from(root).toString('utf8').split('\n');
  if (line === undefined || mac === undefined || !MAC_LINE.test(mac) || rest !== '' || more.length > 0) {
    throw sealError('altered', 'The root object k/library is not two lines.');
  }
  return { json: parseJson(rootSchema, line, 'The root object k/library'), line, mac: Buffer.from(mac, 'hex') };
}

function rootMac(masterKey: Uint8Array, libraryId: Uint8Array, line: string): Buffer {
  return createHmac('sha256', subkey(masterKey, libraryId, 'bae root'))
    .update(line)
    .digest();
}
