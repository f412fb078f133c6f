import type { LookupSource, PeerAddress } from '../torrent/index.ts';
import { grown } from './resting-cells.ts';
import type { TorrentIndex } from './torrent-index.ts';

const FIRST_PLACES = 64;
/** The list's end and beginning; slots follow it. */
const RIM = 0;
const NOWHERE = -1;

export interface ColdLookupsDeps {
  readonly index: TorrentIndex;
  /** The DHT, or somebody on the local network, names peers of a torrent. */
  readonly found: (torrentId: number, peers: readonly PeerAddress[], source: 'dht' | 'lsd') => void;
}

/** Where a cold public torrent was in the list, and may be put back to. */
export interface ClaimedLookups {
  /** In seconds of the clock; null: not in this run. */
  readonly lookedUpAt: number | null;
}

/**
 * The cold public torrents, in the order in which the DHT is to be asked for them: a list in three arrays by slot, no object
 * and no timer each. Private ones never come here (BEP 27).
 */
export class ColdLookups implements LookupSource {
  readonly #deps: ColdLookupsDeps;
  /** Of a slot: the place (slot + 1) before and behind it. */
  #before = new Int32Array(FIRST_PLACES).fill(NOWHERE);
  #behind = new Int32Array(FIRST_PLACES).fill(NOWHERE);
  /** Seconds of the clock; grows along the list. */
  #lookedUpAt = new Float64Array(FIRST_PLACES);

  constructor(deps: ColdLookupsDeps) {
    this.#deps = deps;
    this.#before[RIM] = RIM;
    this.#behind[RIM] = RIM;
  }

  /** A public torrent is cold from now on; one that was looked up lately goes behind those that wait for longer. */
  add(slot: number, { lookedUpAt }: ClaimedLookups): void {
    const place = slot + 1;
    if (place >= this.#before.length) this.#grow(place);
    if (this.has(slot)) return;
    const at = lookedUpAt ?? Number.NEGATIVE_INFINITY;
    this.#lookedUpAt[place] = at;
    // Few were looked up after one that was awake a moment ago.
    let before = this.#before[RIM] as number;
    while (before !== RIM && (this.#lookedUpAt[before] as number) > at) before = this.#before[before] as number;
    this.#link(before, place);
  }

  has(slot: number): boolean {
    return (this.#before[slot + 1] ?? NOWHERE) !== NOWHERE;
  }

  /** Takes a torrent out; null if it is not there. */
  claim(slot: number): ClaimedLookups | null {
    if (!this.has(slot)) return null;
    const at = this.#lookedUpAt[slot + 1] as number;
    this.#unlink(slot + 1);
    return { lookedUpAt: Number.isFinite(at) ? at : null };
  }

  next(nowSeconds: number, pauseSeconds: number) {
    const place = this.#behind[RIM] as number;
    if (place === RIM || (this.#lookedUpAt[place] as number) + pauseSeconds > nowSeconds) return null;
    this.#unlink(place);
    this.#lookedUpAt[place] = nowSeconds;
    this.#link(this.#before[RIM] as number, place);
    return this.#torrent(place - 1, 'dht');
  }

  /** Whom somebody on the local network looks for, if it is here. */
  sought(infoHash: Buffer) {
    const id = this.#deps.index.find(infoHash);
    const slot = id === null ? null : this.#deps.index.slotOf(id);
    return slot !== null && this.has(slot) ? this.#torrent(slot, 'lsd') : null;
  }

  #torrent(slot: number, source: 'dht' | 'lsd') {
    const { index, found } = this.#deps;
    const id = index.idOf(slot);
    return {
      infoHash: index.hashOf(slot),
      found: (peers: readonly PeerAddress[]) => found(id, peers, source),
    };
  }

  #link(before: number, place: number): void {
    const behind = this.#behind[before] as number;
    this.#before[place] = before;
    this.#behind[place] = behind;
    this.#behind[before] = place;
    this.#before[behind] = place;
  }

  #unlink(place: number): void {
    const [before, behind] = [this.#before[place] as number, this.#behind[place] as number];
    this.#behind[before] = behind;
    this.#before[behind] = before;
    this.#before[place] = NOWHERE;
    this.#behind[place] = NOWHERE;
  }

  #grow(place: number): void {
    const length = Math.max(place + 1, this.#before.length * 2);
    this.#before = grown(this.#before, new Int32Array(length).fill(NOWHERE));
    this.#behind = grown(this.#behind, new Int32Array(length).fill(NOWHERE));
    this.#lookedUpAt = grown(this.#lookedUpAt, new Float64Array(length));
  }
}
