import { BaeError } from '../lib/errors.ts';
import { RangeTable } from './range-table.ts';
import type { AddressFilter } from './swarm/index.ts';
import { addressBytes } from './wire/index.ts';

/** The largest list, in bytes: it is held as text while it is read. */
export const MOST_FILTER_BYTES = 256 * 1024 * 1024;
/** Ranges of one list. */
export const MOST_FILTER_RANGES = 4_000_000;
/** The longest line, in characters. */
export const MOST_FILTER_LINE = 1_000;
/** eMule's lists hold a level for each range: up to this it is blocked, above it is let in. */
const MOST_BLOCKED_LEVEL = 127;

interface Range {
  /** 4 or 16 bytes. */
  readonly first: Uint8Array;
  readonly last: Uint8Array;
}

/** Addresses that peers may not have: every peer that is dialled or comes, whoever named it. Trackers are no peers. */
export class IpFilter implements AddressFilter {
  readonly #ipv4 = new RangeTable(4);
  readonly #ipv6 = new RangeTable(16);

  /** Ranges that are blocked, those next to each other counted as one. */
  get size(): number {
    return this.#ipv4.size + this.#ipv6.size;
  }

  add({ first, last }: Range): void {
    (first.length === 4 ? this.#ipv4 : this.#ipv6).add(first, last);
  }

  /** To be called once, when all ranges are there. */
  seal(): void {
    this.#ipv4.seal();
    this.#ipv6.seal();
  }

  /** An IP address without brackets; what is none is blocked, since it cannot be judged. */
  blocks(address: string): boolean {
    const zone = address.indexOf('%');
    const bytes = addressBytes(zone < 0 ? address : address.slice(0, zone));
    if (bytes === null) return true;
    return (bytes.length === 4 ? this.#ipv4 : this.#ipv6).has(bytes);
  }
}

/**
 * Reads a list of addresses, IPv4 and IPv6, in any mixture of these lines: `1.2.3.0/24`, `1.2.3.4`, `1.2.3.4-1.2.3.9`,
 * PeerGuardian's `name:1.2.3.4-1.2.3.9` and eMule's `001.002.003.004 - 001.002.003.009 , 000 , name` (numbers are decimal
 * there, zeros in front or not; a level above 127 lets the range in). Empty lines and those that begin with # or // say
 * nothing. `path` is for errors, `mostRanges` for tests.
 * @throws BaeError bad-input, naming the line
 */
export function parseIpFilter(text: string, path: string, mostRanges = MOST_FILTER_RANGES): IpFilter {
  const filter = new IpFilter();
  let ranges = 0;
  let number = 0;
  for (let at = 0; at < text.length; number++) {
    const next = text.indexOf('\n', at);
    const end = next < 0 ? text.length : next;
    const fail = (problem: string) =>
      new BaeError('bad-input', `The IP filter ${path}, line ${number + 1}: ${problem}.`);
    if (end - at > MOST_FILTER_LINE) throw fail(`has over ${MOST_FILTER_LINE} characters`);
    const line = text.slice(at, end).trim();
    at = end + 1;
    if (line === '' || line.startsWith('#') || line.startsWith('//')) continue;
    const range = readLine(line);
    if (range === null) throw fail('is no range of addresses, such as 1.2.3.0/24 or name:1.2.3.4-1.2.3.9');
    if (range === 'let in') continue;
    if (range.first.length !== range.last.length || Buffer.compare(range.first, range.last) > 0) {
      throw fail('ends before it begins');
    }
    if (++ranges > mostRanges) throw fail(`is one range more than the ${mostRanges} that fit`);
    filter.add(range);
  }
  filter.seal();
  return filter;
}

/** A range; `let in` for one that its level allows; null for what is none. */
function readLine(line: string): Range | 'let in' | null {
  const slash = line.indexOf('/');
  if (slash > 0) {
    const network = readNetwork(line.slice(0, slash), line.slice(slash + 1));
    if (network !== null) return network;
  }
  const emule = /^([^\s,]+)\s*-\s*([^\s,]+)\s*,\s*(\d{1,3})\s*(?:,|$)/.exec(line);
  if (emule !== null) {
    const [, first = '', last = '', level] = emule;
    return Number(level) > MOST_BLOCKED_LEVEL ? 'let in' : between(readAddress(first), readAddress(last));
  }
  const dash = line.lastIndexOf('-');
  if (dash < 0) return between(readAddress(line), readAddress(line));
  const last = readAddress(line.slice(dash + 1).trim());
  return last === null ? null : between(readBehindName(line.slice(0, dash).trim(), last.length), last);
}

function between(first: Uint8Array | null, last: Uint8Array | null): Range | null {
  return first === null || last === null ? null : { first, last };
}

/** An address, or the one at the end of `name:address`; the name may hold colons too. */
function readBehindName(text: string, length: number): Uint8Array | null {
  if (length === 4) return readAddress(text.slice(text.lastIndexOf(':') + 1));
  for (let at = 0; at >= 0 && at <= text.length; ) {
    const address = readAddress(text.slice(at));
    if (address?.length === length) return address;
    const colon = text.indexOf(':', at);
    at = colon < 0 ? -1 : colon + 1;
  }
  return null;
}

function readNetwork(address: string, prefix: string): Range | null {
  const bytes = readAddress(address);
  if (bytes === null || !/^\d{1,3}$/.test(prefix) || Number(prefix) > bytes.length * 8) return null;
  const first = Uint8Array.from(bytes);
  const last = Uint8Array.from(bytes);
  for (let at = 0; at < bytes.length; at++) {
    const fixed = Math.min(8, Math.max(0, Number(prefix) - at * 8));
    const free = 0xff >> fixed;
    first[at] = (bytes[at] as number) & ~free;
    last[at] = (bytes[at] as number) | free;
  }
  return { first, last };
}

function readAddress(text: string): Uint8Array | null {
  if (text.includes(':')) return addressBytes(text);
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return null;
  const bytes = match.slice(1).map(Number);
  return bytes.every((byte) => byte <= 255) ? Uint8Array.from(bytes) : null;
}
