import { freeMemory } from '../../lib/memory.ts';
import { OUTBOX_PAGE_BYTES, SINGLE_MESSAGES } from './limits.ts';

/**
 * Messages of one peer that wait to be sent: a few as they are, more as copies in pages, which are freed once they were
 * sent. Thousands of answers to one flood of requests would cost megabytes as they are.
 */
export class Outbox {
  /** Bytes of all of them. */
  bytes = 0;
  #messages: Buffer[] = [];
  #pages: Buffer[] = [];
  /** Bytes used of the last page. */
  #used = 0;

  push(message: Buffer): void {
    this.bytes += message.length;
    if (this.#messages.length < SINGLE_MESSAGES) {
      this.#messages.push(message);
      return;
    }
    let page = this.#pages.at(-1);
    if (page === undefined || this.#used + message.length > page.length) {
      if (page !== undefined) this.#trim(page);
      page = Buffer.allocUnsafeSlow(Math.max(OUTBOX_PAGE_BYTES, message.length));
      this.#pages.push(page);
      this.#used = 0;
    }
    this.#used += message.copy(page, this.#used);
  }

  /** Takes them all out, to be written at once; `written`, if there is one, must be called when the system took them. */
  take(): { buffers: Buffer[]; written: (() => void) | undefined } {
    const buffers = this.#messages;
    const pages = this.#pages;
    this.#messages = [];
    this.bytes = 0;
    const last = pages.at(-1);
    if (last === undefined) return { buffers, written: undefined };
    this.#trim(last);
    this.#pages = [];
    buffers.push(...pages);
    const whole = pages.map(({ buffer }) => Buffer.from(buffer));
    return { buffers, written: () => whole.forEach(freeMemory) };
  }

  /** The last page ends where it is used. */
  #trim(page: Buffer): void {
    this.#pages[this.#pages.length - 1] = page.subarray(0, this.#used);
  }
}
