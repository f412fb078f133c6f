import { createHash } from 'node:crypto';
import { BLOCK_BYTES } from '../wire/index.ts';
import { BAD_PIECES, FAILED_PIECES_KEPT } from './limits.ts';
import type { PartialPiece } from './partial-piece.ts';
import type { PeerSession } from './session.ts';

interface FailedPiece {
  readonly digests: readonly Buffer[];
  readonly sources: readonly (PeerSession | null)[];
}

/**
 * Finds who sends wrong bytes. A piece that one peer sent alone proves it. A piece of several makes them suspects: it is
 * fetched again from one peer alone, and so are the suspects' next ones; once it is right, the blocks' hashes tell
 * who sent a wrong one, and clear the others.
 */
export class Blame {
  readonly #failed = new Map<number, FailedPiece>();
  readonly #alone = new Set<number>();

  /** Whether a piece is to be fetched from one peer alone. */
  isAlone(index: number, session: PeerSession): boolean {
    return this.#alone.has(index) || session.requests.suspectedAt !== null;
  }

  /** Whether a peer may send blocks of a piece that others work on. */
  mayShare(partial: PartialPiece, session: PeerSession): boolean {
    if (partial.only !== null) return partial.only === session;
    const { suspectedAt } = session.requests;
    return suspectedAt === null || partial.beganAt <= suspectedAt;
  }

  /** A piece's hash was wrong; returns whom to ban. */
  bad(partial: PartialPiece, data: Buffer, now: number): PeerSession[] {
    const senders = new Set(partial.sources.filter((source) => source !== null));
    this.#alone.add(partial.index);
    if (senders.size === 1) return [...senders];
    this.#keep(partial, data);
    const banned: PeerSession[] = [];
    for (const sender of senders) {
      const { requests } = sender;
      // What was begun before the first suspicion says nothing new.
      if (requests.suspectedAt !== null && partial.beganAt <= requests.suspectedAt) continue;
      requests.suspectedAt = now;
      if (++requests.badPieces >= BAD_PIECES) banned.push(sender);
    }
    return banned;
  }

  /** A piece's hash was right; returns whom to ban for the blocks they had sent of it before. */
  good(partial: PartialPiece, data: Buffer): PeerSession[] {
    if (partial.only !== null) partial.only.requests.suspectedAt = null;
    this.#alone.delete(partial.index);
    const failed = this.#failed.get(partial.index);
    if (failed === undefined) return [];
    this.#failed.delete(partial.index);
    const digests = digestBlocks(data);
    const guilty = new Set<PeerSession>();
    failed.sources.forEach((source, block) => {
      const same = digests[block]?.equals(failed.digests[block] as Buffer);
      if (source !== null && same !== true) guilty.add(source);
    });
    for (const source of new Set(failed.sources)) {
      if (source === null || guilty.has(source)) continue;
      source.requests.badPieces = Math.max(0, source.requests.badPieces - 1);
      source.requests.suspectedAt = null;
    }
    return [...guilty];
  }

  #keep(partial: PartialPiece, data: Buffer): void {
    this.#failed.delete(partial.index);
    this.#failed.set(partial.index, { digests: digestBlocks(data), sources: partial.sources });
    if (this.#failed.size > FAILED_PIECES_KEPT) this.#failed.delete(this.#failed.keys().next().value as number);
  }
}

function digestBlocks(data: Buffer): Buffer[] {
  const digests: Buffer[] = [];
  for (let at = 0; at < data.length; at += BLOCK_BYTES) {
    const block = data.subarray(at, at + BLOCK_BYTES);
    digests.push(createHash('sha1').update(block).digest());
  }
  return digests;
}
