import { createHash } from 'node:crypto';

/** MSE's HASH: SHA-1 of a label and what follows it. */
export function labelledHash(label: string, ...parts: Buffer[]): Buffer {
  const hash = createHash('sha1').update(label, 'latin1');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** HASH('req2', info-hash): how an encrypted handshake names a torrent, once the secret is taken off. */
export function obfuscatedHash(infoHash: Buffer): Buffer {
  return labelledHash('req2', infoHash);
}

/** Info-hashes by their obfuscated hash: one look-up, however many torrents there are. */
export class ObfuscatedHashes {
  readonly #infoHashes = new Map<string, Buffer>();

  get size(): number {
    return this.#infoHashes.size;
  }

  add(infoHash: Buffer): void {
    this.#infoHashes.set(obfuscatedHash(infoHash).toString('latin1'), infoHash);
  }

  delete(infoHash: Buffer): void {
    this.#infoHashes.delete(obfuscatedHash(infoHash).toString('latin1'));
  }

  /** The info-hash whose obfuscated hash (20 bytes) this is. */
  find(obfuscated: Buffer): Buffer | null {
    return this.#infoHashes.get(obfuscated.toString('latin1')) ?? null;
  }
}
