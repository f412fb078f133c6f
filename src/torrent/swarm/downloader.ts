import type { Bitfield } from '../../lib/bitfield.ts';
import { errorMessage } from '../../lib/errors.ts';
import { freeMemory } from '../../lib/memory.ts';
import type { Info } from '../metainfo/index.ts';
import type { Handle } from '../ports.ts';
import { BLOCK_BYTES, type BlockRange, encodeCancel, encodeRequests } from '../wire/index.ts';
import { Blame } from './blame.ts';
import { blockBytes, blockKey, blockOfKey, pieceOfKey } from './blocks.ts';
import { mayAskFor, owedByOthers, starved } from './choices.ts';
import type { SwarmContext } from './context.ts';
import type { DownloadOwner } from './download-owner.ts';
import { ENDGAME_BLOCKS, FIRST_REQUESTS, PIECES_ALWAYS, WRITE_RETRY_MILLISECONDS } from './limits.ts';
import { PartialPiece } from './partial-piece.ts';
import { PiecePicker } from './picker.ts';
import { RequestBudget } from './request-budget.ts';
import type { PeerSession } from './session.ts';

/** Fetches the missing pieces of one torrent from all its peers. */
export class Downloader {
  readonly picker: PiecePicker;
  /** Nothing is requested while this is set; what was asked for still comes. */
  paused = false;
  readonly #context: SwarmContext;
  readonly #info: Info;
  readonly #handle: Handle;
  readonly #owner: DownloadOwner;
  readonly #blame = new Blame();
  readonly #budget: RequestBudget;
  readonly #partials = new Map<number, PartialPiece>();
  /** Those of them with free blocks. */
  readonly #open = new Set<PartialPiece>();
  readonly #finishing = new Set<Promise<void>>();
  readonly #forgetRoom: () => void;
  #retryAt = 0;

  constructor(context: SwarmContext, info: Info, handle: Handle, have: Bitfield, owner: DownloadOwner) {
    this.#context = context;
    this.#info = info;
    this.#handle = handle;
    this.#owner = owner;
    this.#budget = new RequestBudget(context.bandwidth.down, owner.buckets.down, this);
    this.picker = new PiecePicker(info, have, handle, context.random, context.clock.monotonic());
    this.#forgetRoom = context.store.onRoom(handle, () => this.fillStarved());
  }

  /** Why nothing is requested now; null while nothing hinders. */
  get waiting(): string | null {
    if (this.paused) return 'paused';
    if (!this.#context.store.hasRoom(this.#handle)) return 'There is no room for more now.';
    return this.#context.clock.monotonic() < this.#retryAt ? 'the store failed; it is tried again soon' : null;
  }

  /** Whether anything could be asked of a peer now. */
  mayAsk(session: PeerSession): boolean {
    const { requests, pieces, choking } = session;
    if (pieces.pieces === null || !session.interesting || session.isClosed || requests.room <= 0) return false;
    return (!choking || requests.allowedFast.size > 0) && this.waiting === null;
  }

  /** Asks a peer for as much as it is good for, within the rate limits. */
  fill(session: PeerSession): void {
    const { requests, pieces } = session;
    requests.starved = true;
    const theirs = pieces.pieces;
    if (theirs === null || !this.mayAsk(session)) return;
    const most = Math.min(requests.room, this.#budget.blocks(session));
    if (most === 0) return;
    const now = this.#context.clock.monotonic();
    const blocks: BlockRange[] = [];
    while (blocks.length < most) {
      const partial = this.#choose(session, theirs, now);
      if (partial === null) break;
      while (blocks.length < most && partial.free > 0) this.#ask(session, partial, partial.nextFree(), blocks, now);
    }
    if (blocks.length < most) this.#endgame(session, theirs, blocks, most, now);
    this.#budget.asked(session, blocks);
    requests.starved = requests.room > 0;
    if (blocks.length > 0) session.send(encodeRequests(blocks));
  }

  /** Asks all peers that could be asked for more, snubbed ones last: something has changed. */
  fillStarved(): void {
    for (const session of starved(this.#owner.sessions)) this.fill(session);
  }

  block(session: PeerSession, index: number, begin: number, data: Buffer): void {
    const block = begin / BLOCK_BYTES;
    const key = blockKey(index, block);
    const verdict = session.requests.received(key, data.length, this.#context.clock.monotonic());
    if (verdict !== 'asked') this.#budget.came(data.length);
    const partial = this.#partials.get(index);
    const fits = Number.isInteger(block) && partial !== undefined && data.length === partial.blockBytes(block);
    if (!fits || verdict === 'unasked' || verdict === 'flood' || partial.has(block) || !partial.mayTake(session)) {
      if (verdict === 'asked') this.#release(key);
      this.#owner.onWasted(data.length);
      if (verdict === 'flood') session.close('sends what nobody asked for');
      return;
    }
    const others = partial.askedOf(block) - (verdict === 'asked' ? 1 : 0);
    partial.receive(block, data, session);
    if (partial.free === 0) this.#open.delete(partial);
    if (others > 0) this.#cancelOthers(session, key);
    if (partial.complete) this.#finish(partial);
  }

  reject(session: PeerSession, index: number, begin: number): void {
    const key = blockKey(index, begin / BLOCK_BYTES);
    if (!session.requests.rejected(key)) return;
    this.#budget.failed(blockBytes(this.#info, key));
    this.#release(key);
    if (session.choking) session.requests.allowedFast.delete(index);
    else session.requests.refuse(index, this.#context.clock.monotonic());
    this.#yield(session, index);
    this.fillStarved();
  }

  /** Cancels what was asked for beyond a little: after a new rate limit it would come too fast. */
  recall(): void {
    for (const session of this.#owner.sessions) {
      for (const key of [...session.requests.inFlight.keys()].slice(FIRST_REQUESTS)) this.#cancel(session, key);
    }
  }

  /** The peer chokes us. Without BEP 6 all requests are void by that; with it each is rejected or answered. */
  choked(session: PeerSession): void {
    if (session.fast) this.#yield(session);
    else this.#giveUp(session);
    this.fillStarved();
  }

  /** The peer is gone. */
  dropped(session: PeerSession): void {
    this.#giveUp(session);
    this.#budget.drop(session);
    this.fillStarved();
  }

  /** Once a second. */
  tick(now: number, milliseconds: number): void {
    for (const session of this.#owner.sessions) if (session.requests.tick(now, milliseconds)) this.#giveUp(session);
    this.fillStarved();
  }

  /** Gives up what is begun and waits for what is being written. */
  async stop(): Promise<void> {
    this.paused = true;
    this.#forgetRoom();
    this.#budget.close();
    for (const partial of [...this.#partials.values()]) this.#discard(partial);
    while (this.#finishing.size > 0) await Promise.all(this.#finishing);
  }

  #ask(session: PeerSession, partial: PartialPiece, block: number, blocks: BlockRange[], now: number): void {
    partial.ask(block);
    if (partial.free === 0) this.#open.delete(partial);
    session.requests.asked(blockKey(partial.index, block), now);
    blocks.push({ index: partial.index, begin: block * BLOCK_BYTES, length: partial.blockBytes(block) });
  }

  /** The next piece with free blocks: its own, one that nobody works on, a new one, one of another peer. */
  #choose(session: PeerSession, theirs: Bitfield, now: number): PartialPiece | null {
    const may = mayAskFor(session, (index) => this.#blame.isAlone(index, session), now);
    let shared: PartialPiece | null = null;
    for (const partial of this.#open) {
      if (!theirs.has(partial.index) || !may(partial.index)) continue;
      if (partial.owner === session) return partial;
      if (!this.#blame.mayShare(partial, session)) continue;
      if (partial.isIdle) {
        partial.owner = session;
        return partial;
      }
      shared ??= partial;
    }
    return this.#begin(session, theirs, may, now) ?? shared;
  }

  #begin(session: PeerSession, theirs: Bitfield, may: (index: number) => boolean, now: number): PartialPiece | null {
    const { pieceMemory, limits } = this.#context;
    const few = this.#partials.size + this.#finishing.size < PIECES_ALWAYS;
    if (!few && pieceMemory.bytes + this.#info.pieceLength > limits.pieceBytes) return null;
    const index = this.picker.pick(theirs, now, may);
    if (index === null) return null;
    const bytes = this.#info.pieceBytes(index);
    const partial = new PartialPiece(index, bytes, session, this.#blame.isAlone(index, session), now);
    pieceMemory.bytes += bytes;
    this.#partials.set(index, partial);
    this.#open.add(partial);
    this.picker.begin(index, now);
    return partial;
  }

  /** When every block is asked for, a peer with nothing to do is asked for some that others owe. */
  #endgame(session: PeerSession, theirs: Bitfield, blocks: BlockRange[], most: number, now: number): void {
    if (this.picker.startable > 0 || this.#open.size > 0 || session.choking || session.requests.snubbed) return;
    const may = (partial: PartialPiece) => theirs.has(partial.index) && this.#blame.mayShare(partial, session);
    for (const [partial, block] of owedByOthers(this.#partials.values(), session, may)) {
      if (blocks.length >= most || session.requests.inFlight.size >= ENDGAME_BLOCKS) return;
      this.#ask(session, partial, block, blocks, now);
    }
  }

  #release(key: number): void {
    const partial = this.#partials.get(pieceOfKey(key));
    partial?.release(blockOfKey(key));
    if (partial !== undefined && partial.free > 0) this.#open.add(partial);
  }

  #giveUp(session: PeerSession): void {
    session.requests.starved = true;
    for (const key of [...session.requests.inFlight.keys()]) {
      session.requests.giveUp(key);
      this.#budget.failed(blockBytes(this.#info, key));
      this.#release(key);
    }
    this.#yield(session);
  }

  #cancelOthers(sender: PeerSession, key: number): void {
    for (const session of this.#owner.sessions) {
      if (session !== sender && session.requests.inFlight.has(key)) this.#cancel(session, key);
    }
  }

  /** Leaves to others what only this peer was to send and does not: one piece, or all of them. */
  #yield(session: PeerSession, index?: number): void {
    const { requests } = session;
    for (const partial of this.#partials.values()) {
      if (partial.only !== session || (index !== undefined && partial.index !== index)) continue;
      for (const key of [...requests.inFlight.keys()])
        if (pieceOfKey(key) === partial.index) this.#cancel(session, key);
      requests.refuse(partial.index, this.#context.clock.monotonic());
      this.#discard(partial);
    }
  }

  #cancel(session: PeerSession, key: number): void {
    const length = blockBytes(this.#info, key);
    session.requests.giveUp(key);
    session.requests.starved = true;
    this.#budget.failed(length);
    this.#release(key);
    session.send(encodeCancel(pieceOfKey(key), blockOfKey(key) * BLOCK_BYTES, length));
  }

  #discard(partial: PartialPiece): void {
    this.#partials.delete(partial.index);
    this.#open.delete(partial);
    this.#owner.onWasted(partial.receivedBytes);
    freeMemory(partial.data);
    this.#context.pieceMemory.bytes -= partial.bytes;
    this.picker.abort(partial.index, this.#context.clock.monotonic());
  }

  #finish(partial: PartialPiece): void {
    this.#partials.delete(partial.index);
    this.#open.delete(partial);
    const finishing = this.#verifyAndWrite(partial)
      .catch((error: unknown) => this.#writeFailed(partial, error))
      .finally(() => {
        this.#finishing.delete(finishing);
        this.#context.pieceMemory.bytes -= partial.bytes;
        this.fillStarved();
      });
    this.#finishing.add(finishing);
  }

  async #verifyAndWrite(partial: PartialPiece): Promise<void> {
    const { digest, data } = await this.#context.hasher.sha1(partial.data);
    try {
      await this.#write(partial, digest, data);
    } finally {
      freeMemory(data);
    }
  }

  async #write(partial: PartialPiece, digest: Buffer, data: Buffer): Promise<void> {
    const { store, clock } = this.#context;
    const good = digest.equals(this.#info.pieceHash(partial.index));
    const guilty = good ? this.#blame.good(partial, data) : this.#blame.bad(partial, data, clock.monotonic());
    for (const session of guilty) this.#owner.onGuilty(session);
    if (!good) {
      this.#owner.onWasted(partial.bytes);
      this.picker.abort(partial.index, clock.monotonic());
      return;
    }
    await store.writePiece(this.#handle, partial.index, data);
    this.picker.done(partial.index, clock.monotonic());
    this.#owner.onVerified(partial.index, partial.bytes, this.picker.complete);
  }

  /** The bytes are lost and come again; the store gets a moment. */
  #writeFailed(partial: PartialPiece, error: unknown): void {
    const now = this.#context.clock.monotonic();
    this.#context.log.warn('a piece was not written', { piece: partial.index, error: errorMessage(error) });
    this.#retryAt = now + WRITE_RETRY_MILLISECONDS;
    this.#owner.onWasted(partial.bytes);
    this.picker.abort(partial.index, now);
    this.#owner.onWriteFailed(error);
  }
}
