import type { Random } from '../../lib/random.ts';
import { cleanText } from '../metainfo/index.ts';

/** Bytes of a peer id (BEP 3). */
export const PEER_ID_BYTES = 20;

/**
 * Makes a peer id (BEP 20): `-BA`, four digits of the version and `-`, then 12 random bytes.
 * @param version like `0.1.0`: one character for each of the first three numbers, higher than 35 as `Z`.
 */
export function makePeerId(random: Random, version: string): Buffer {
  const digits = version
    .split('.')
    .slice(0, 3)
    .map((part) => Math.min(Number.parseInt(part, 10) || 0, 35).toString(36));
  const prefix = `-BA${digits.join('').toUpperCase().padEnd(4, '0')}-`;
  return Buffer.concat([Buffer.from(prefix, 'latin1'), random.bytes(PEER_ID_BYTES - prefix.length)]);
}

/** The two letters of clients that write `-XX1234-` (BEP 20). */
const CLIENTS: ReadonlyMap<string, string> = new Map([
  ['A2', 'aria2'],
  ['AZ', 'Vuze'],
  ['BA', 'bae'],
  ['BC', 'BitComet'],
  ['BI', 'BiglyBT'],
  ['BT', 'BitTorrent'],
  ['DE', 'Deluge'],
  ['FD', 'Free Download Manager'],
  ['KT', 'KTorrent'],
  ['LT', 'libtorrent'],
  ['lt', 'rTorrent'],
  ['PI', 'PicoTorrent'],
  ['qB', 'qBittorrent'],
  ['SD', 'Xunlei'],
  ['TR', 'Transmission'],
  ['TX', 'Tixati'],
  ['UM', 'µTorrent for Mac'],
  ['UT', 'µTorrent'],
  ['WW', 'WebTorrent'],
  ['XL', 'Xunlei'],
]);

/** A client's name and version for display, guessed from its peer id; the printable start of an id that is not known. */
export function clientName(peerId: Buffer): string {
  const text = peerId.toString('latin1');
  const azureus = /^-([A-Za-z0-9~]{2})([A-Za-z0-9]{4})-/.exec(text);
  if (azureus !== null) {
    const digits = [...(azureus[2] as string)].map((digit) => String(Number.parseInt(digit, 36)));
    while (digits.length > 2 && digits.at(-1) === '0') digits.pop();
    return `${CLIENTS.get(azureus[1] as string) ?? azureus[1]} ${digits.join('.')}`;
  }
  const mainline = /^M([0-9]{1,2})-([0-9]{1,2})-([0-9]{1,2})-/.exec(text);
  if (mainline !== null) return `BitTorrent ${mainline[1]}.${mainline[2]}.${mainline[3]}`;
  const start = /^[\x20-\x7e]{3,8}/.exec(text);
  return start === null ? 'unknown' : cleanText(start[0]);
}
