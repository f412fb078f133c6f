import type { Clock } from '../../lib/clock.ts';
import { freeMemory } from '../../lib/memory.ts';
import type { Connection } from '../ports.ts';
import { type DecoderOptions, MessageDecoder, type MessageSink } from '../wire/index.ts';
import * as limits from './limits.ts';
import type { LoopTurn } from './loop-turn.ts';

export interface IntakeOwner extends MessageSink {
  readonly connection: Connection;
  /** All messages of a chunk were handled, or one of them threw this. */
  onRead(error: unknown): void;
  /** What was to be answered can be sent. */
  flush(): void;
}

/**
 * Reads one peer's messages as they come, while the turn of the event loop lasts. What comes after it is kept, the
 * connection is not read meanwhile, and both go on in a later turn, each peer after the other.
 */
export class Intake {
  /** Messages are being handed over: what they lead to is sent when all of a chunk have been. */
  isReading = false;
  /** When something was read last, monotonic. */
  receivedAt: number;
  readonly #decoder: MessageDecoder;
  readonly #owner: IntakeOwner;
  readonly #clock: Clock;
  readonly #turn: LoopTurn;
  /** Chunks not read yet: the one that came too late, and what was on its way when the connection was told to wait. */
  readonly #kept: Buffer[] = [];
  readonly #goOn = () => this.#readKept();
  #extraWork = 0;

  constructor(owner: IntakeOwner, options: DecoderOptions, clock: Clock, turn: LoopTurn) {
    this.#decoder = new MessageDecoder(options);
    this.#owner = owner;
    this.#clock = clock;
    this.#turn = turn;
    this.receivedAt = clock.monotonic();
  }

  setPieceCount(pieceCount: number): void {
    this.#decoder.setPieceCount(pieceCount);
  }

  /** The chunk is the caller's again when this returns. */
  take(chunk: Buffer): void {
    // Small ones are read always: who asks for a few blocks is not to wait behind those who send whole buffers of messages.
    if (this.#kept.length === 0 && (!this.#turn.isOver || chunk.length <= limits.SMALL_CHUNK_BYTES)) {
      this.#read(chunk);
      return;
    }
    this.#kept.push(Buffer.from(chunk));
    this.#owner.connection.pause();
    this.#turn.later(this.#goOn);
  }

  /** The message that is being handled costs more than others. */
  addWork(work: number): void {
    this.#extraWork += work;
  }

  close(): void {
    this.#kept.length = 0;
    this.#turn.forget(this.#goOn);
    this.#decoder.stop();
  }

  #readKept(): void {
    const chunk = this.#kept.shift();
    if (chunk === undefined) return;
    this.#read(chunk);
    freeMemory(chunk);
    if (this.#kept.length > 0) this.#turn.later(this.#goOn);
    else this.#owner.connection.resume();
  }

  #read(chunk: Buffer): void {
    const { messages } = this.#decoder;
    this.receivedAt = this.#clock.monotonic();
    this.#extraWork = 0;
    this.isReading = true;
    let failure: unknown;
    try {
      this.#decoder.push(chunk, this.#owner);
    } catch (error) {
      failure = error;
    }
    this.#owner.onRead(failure);
    this.isReading = false;
    this.#owner.flush();
    this.#turn.spend(chunk.length + (this.#decoder.messages - messages) * limits.MESSAGE_WORK + this.#extraWork);
  }
}
