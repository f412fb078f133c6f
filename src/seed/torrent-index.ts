import { KeyIndex } from '../lib/key-index.ts';
import { obfuscatedHash } from '../torrent/index.ts';

const HASH_BYTES = 20;

/**
 * The torrents that are seeded, awake or not, by info-hash, by obfuscated hash (MSE) and by id. Each has a slot, a small
 * number that is its place in everybody's arrays for as long as it is seeded.
 */
export class TorrentIndex {
  readonly #byHash = new KeyIndex(HASH_BYTES);
  readonly #byObfuscated = new KeyIndex(HASH_BYTES);
  readonly #slots = new Map<number, number>();
  readonly #ids: number[] = [];
  readonly #free: number[] = [];

  get size(): number {
    return this.#slots.size;
  }

  /** Gives it a slot; the one it has if it is there. */
  add(id: number, infoHash: Buffer): number {
    const there = this.#slots.get(id);
    if (there !== undefined) return there;
    const slot = this.#free.pop() ?? this.#ids.length;
    this.#byHash.add(slot, infoHash);
    this.#byObfuscated.add(slot, obfuscatedHash(infoHash));
    this.#slots.set(id, slot);
    this.#ids[slot] = id;
    return slot;
  }

  remove(id: number): void {
    const slot = this.#slots.get(id);
    if (slot === undefined) return;
    this.#byHash.delete(slot);
    this.#byObfuscated.delete(slot);
    this.#slots.delete(id);
    this.#free.push(slot);
  }

  slotOf(id: number): number | null {
    return this.#slots.get(id) ?? null;
  }

  idOf(slot: number): number {
    return this.#ids[slot] as number;
  }

  /** A copy. */
  hashOf(slot: number): Buffer {
    return Buffer.from(this.#byHash.keyOf(slot));
  }

  /** Of all torrents. */
  slots(): number[] {
    return [...this.#slots.values()];
  }

  /** The id of the torrent with this info-hash. */
  find(infoHash: Buffer): number | null {
    const slot = this.#byHash.find(infoHash);
    return slot < 0 ? null : this.idOf(slot);
  }

  /** The info-hash (a view) of the torrent that an encrypted handshake names so. */
  findObfuscated(hash: Buffer): Buffer | null {
    const slot = this.#byObfuscated.find(hash);
    return slot < 0 ? null : this.#byHash.keyOf(slot);
  }
}
