import * as limits from './limits.ts';

/** What has been given to a connection and not been taken. */
interface Given {
  /** Monotonic. */
  readonly at: number;
  readonly payloadBytes: number;
}

/** How fast a peer takes what it is given, and how much it is to be given at once. */
export class SendPace {
  /** Bytes to be given at once: what a peer takes within BATCH_MILLISECONDS, as far as is known. */
  batchBytes = limits.LEAST_BATCH_BYTES;
  /** When it took something last. */
  #takenAt = Number.NEGATIVE_INFINITY;

  /** It took all that it was given. */
  taken({ at, payloadBytes }: Given, now: number): void {
    this.#takenAt = now;
    const milliseconds = now - at;
    if (milliseconds > limits.BATCH_MILLISECONDS) {
      this.batchBytes = Math.max(limits.LEAST_BATCH_BYTES, this.batchBytes / 2);
    } else if (milliseconds <= limits.BATCH_MILLISECONDS / 4 && payloadBytes > this.batchBytes / 2) {
      this.batchBytes = Math.min(limits.SEND_BUFFER_BYTES, this.batchBytes * 2);
    }
  }

  /** Bytes per second it takes at most now; `bytesPerSecond`: what it took lately, `given`: what it has yet to take. */
  at(now: number, bytesPerSecond: number, given: Given | null): number {
    if (now - this.#takenAt < limits.QUIET_MILLISECONDS) return bytesPerSecond;
    if (given === null) return 0;
    return Math.min(bytesPerSecond, (given.payloadBytes * 1000) / Math.max(1, now - given.at));
  }
}
