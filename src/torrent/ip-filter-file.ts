import { readFileSync, statSync } from 'node:fs';
import { BaeError } from '../lib/errors.ts';
import { type IpFilter, MOST_FILTER_BYTES, parseIpFilter } from './ip-filter.ts';

/**
 * Reads the list of blocked addresses in a file, at once: nobody is to be met before it is known.
 * @throws BaeError bad-input, naming the file, and the line where one is wrong
 */
export function loadIpFilter(path: string): IpFilter {
  return parseIpFilter(readList(path), path);
}

function readList(path: string): string {
  try {
    if (statSync(path).size > MOST_FILTER_BYTES) {
      throw new BaeError('bad-input', `The IP filter ${path} has over ${MOST_FILTER_BYTES} bytes.`);
    }
    return readFileSync(path, 'latin1');
  } catch (cause) {
    if (cause instanceof BaeError) throw cause;
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    throw new BaeError('bad-input', `The IP filter ${path} cannot be read (${code}).`, { cause });
  }
}
