import { createHash } from 'node:crypto';
import { BaeError } from '../../lib/errors.ts';

/** One slot's key as a file or a printed kit carries it. */
export interface SlotKey {
  readonly libraryId: Buffer;
  readonly slotId: Buffer;
  readonly key: Buffer;
}

/** More than any key file has, even with blanks. */
export const MAX_KEY_FILE_BYTES = 4_096;
const CHECK_DIGITS = 16;
const FIRST_LINE = 'bae library key 1';

/** The text of library.key (mode 0600) or of a kit: five lines, the last a check. */
export function formatKeyFile({ libraryId, slotId, key }: SlotKey): string {
  const lines = [FIRST_LINE, `library: ${libraryId.toString('hex')}`, `slot: ${slotId.toString('hex')}`];
  const text = `${lines.join('\n')}\nkey: ${key.toString('hex')}\n`;
  return `${text}check: ${createHash('sha256').update(text).digest('hex').slice(0, CHECK_DIGITS)}\n`;
}

/** Reads what `formatKeyFile` wrote; BaeError bad-input says what is wrong, never what the key is. */
export function parseKeyFile(text: string): SlotKey {
  if (text.length > MAX_KEY_FILE_BYTES) throw new BaeError('bad-input', 'The key file is too long to be one.');
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  if (lines[0] !== FIRST_LINE) throw new BaeError('bad-input', `The key file does not begin with "${FIRST_LINE}".`);
  const field = (at: number, name: string, digits: number): Buffer => {
    const found = /^(\w+): *([0-9a-f]+)$/.exec(lines[at] ?? '');
    if (found === null || found[1] !== name || found[2]?.length !== digits) {
      throw new BaeError('bad-input', `Line ${at + 1} of the key file is not "${name}: " and ${digits} hex digits.`);
    }
    return Buffer.from(found[2], 'hex');
  };
  const slot = { libraryId: field(1, 'library', 32), slotId: field(2, 'slot', 32), key: field(3, 'key', 64) };
  const check = field(4, 'check', CHECK_DIGITS).toString('hex');
  if (lines.length !== 5) throw new BaeError('bad-input', 'The key file has more than its five lines.');
  if (!formatKeyFile(slot).endsWith(`check: ${check}\n`)) {
    throw new BaeError('bad-input', 'The key file is damaged: its check does not match; use another copy or the kit.');
  }
  return slot;
}
