import { BaeError } from '../../lib/errors.ts';
import { sealError } from './fault.ts';

/** The plaintext of tables and manifests: u32 length ‖ JSON ‖ sections ‖ zeros up to a power of two. */

export const MIN_DOCUMENT_BYTES = 4_096;
/** Padded. A table of 2.3 million chunks, 2.2 TiB, still fits. */
export const MAX_TABLE_BYTES = 134_217_728;
export const MAX_MANIFEST_BYTES = 16_777_216;
const LENGTH_BYTES = 4;
const ZEROS = Buffer.alloc(65_536);

/** Frames and pads; `bad-input` when it would be longer than `maxBytes`. */
export function encodeDocument(json: unknown, sections: readonly Uint8Array[], maxBytes: number): Buffer {
  const text = Buffer.from(JSON.stringify(json));
  const used = sections.reduce((sum, section) => sum + section.length, LENGTH_BYTES + text.length);
  if (used > maxBytes) {
    throw new BaeError(
      'bad-input',
      `What is known of this bundle takes ${used} bytes, more than the ${maxBytes} there may be.`,
    );
  }
  let padded = MIN_DOCUMENT_BYTES;
  while (padded < used) padded *= 2;
  const document = Buffer.alloc(padded);
  document.writeUInt32BE(text.length);
  document.set(text, LENGTH_BYTES);
  let at = LENGTH_BYTES + text.length;
  for (const section of sections) {
    document.set(section, at);
    at += section.length;
  }
  return document;
}

/** A document's JSON text and a cursor over its sections. */
export interface DocumentParts {
  readonly text: string;
  /** The next `length` bytes of the sections; `corrupt` when there are not as many. */
  take(length: number): Buffer;
  /** Checks that only zeros follow; `corrupt` else. */
  end(): void;
}

/** Undoes `encodeDocument`; `corrupt` (altered) when the frame is not right. */
export function decodeDocument(document: Buffer, what: string): DocumentParts {
  const size = document.length;
  if (size < MIN_DOCUMENT_BYTES || (size & (size - 1)) !== 0)
    throw sealError('altered', `${what} has no padded length.`);
  let at = LENGTH_BYTES;
  const take = (length: number): Buffer => {
    if (length > size - at) throw sealError('altered', `${what} is shorter than it says.`);
    at += length;
    return document.subarray(at - length, at);
  };
  const text = take(document.readUInt32BE()).toString('utf8');
  const end = () => {
    for (; at < size; at += ZEROS.length) {
      const rest = document.subarray(at, at + ZEROS.length);
      if (!rest.equals(ZEROS.subarray(0, rest.length))) throw sealError('altered', `${what} has bytes after its end.`);
    }
  };
  return { text, take, end };
}
