import { BLOCK_BYTES, type BlockRange } from '../wire/index.ts';
import type { Shaper, Taker } from './bandwidth.ts';
import { Bucket } from './bucket.ts';
import type { PeerSession } from './session.ts';

export interface BudgetOwner {
  /** Whether anything could be asked of the peer now. */
  mayAsk(session: PeerSession): boolean;
  /** It is the peer's turn to be asked. */
  fill(session: PeerSession): void;
}

/** One torrent's part in the download limits. Blocks count when they are asked for, since then they come by themselves. */
export class RequestBudget {
  readonly #shaper: Shaper;
  readonly #bucket: Bucket;
  readonly #owner: BudgetOwner;
  readonly #takers = new Map<PeerSession, Taker>();

  constructor(shaper: Shaper, bucket: Bucket, owner: BudgetOwner) {
    this.#shaper = shaper;
    this.#bucket = bucket;
    this.#owner = owner;
  }

  /** How many blocks may be asked of a peer now, to be followed by `asked`; 0 for one that must wait its turn. */
  blocks(session: PeerSession): number {
    return Math.ceil(this.#shaper.allowance(this.#takerOf(session)) / BLOCK_BYTES);
  }

  /** Blocks were asked of a peer. */
  asked(session: PeerSession, blocks: readonly BlockRange[]): void {
    const taker = this.#takerOf(session);
    if (taker.credit === 0) return;
    let bytes = 0;
    for (const { length } of blocks) bytes += length;
    this.#shaper.spent(taker, bytes);
  }

  /** Bytes came that were not counted. */
  came(bytes: number): void {
    this.#shaper.charge(this.#bucket, bytes);
  }

  /** Bytes asked for will not come. */
  failed(bytes: number): void {
    this.#shaper.charge(this.#bucket, -bytes);
  }

  drop(session: PeerSession): void {
    const taker = this.#takers.get(session);
    if (taker !== undefined) this.#shaper.leave(taker);
    this.#takers.delete(session);
  }

  close(): void {
    for (const session of [...this.#takers.keys()]) this.drop(session);
  }

  #takerOf(session: PeerSession): Taker {
    let taker = this.#takers.get(session);
    if (taker === undefined) {
      taker = {
        credit: 0,
        bucket: this.#bucket,
        own: new Bucket(),
        wanted: () => (this.#owner.mayAsk(session) ? session.requests.room * BLOCK_BYTES : 0),
        flush: () => this.#owner.fill(session),
      };
      this.#takers.set(session, taker);
    }
    return taker;
  }
}
