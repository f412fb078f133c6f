import { errorMessage } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Binding } from './binding.ts';

interface Closable {
  close(): void | Promise<void>;
}

/** Something that is open on the bound address: closed when that goes, opened again when it or another is there. */
export class Follower<T extends Closable> {
  readonly #binding: Binding;
  readonly #family: 4 | 6;
  readonly #open: (address: string) => Promise<T>;
  readonly #log: Log;
  readonly #forget: readonly (() => void)[];
  #current: { readonly address: string; readonly value: T } | null = null;
  #isOpening = false;
  #isClosed = false;

  constructor(binding: Binding, family: 4 | 6, open: (address: string) => Promise<T>, log: Log) {
    this.#binding = binding;
    this.#family = family;
    this.#open = open;
    this.#log = log;
    const follow = () => this.#follow();
    this.#forget = [binding.onChange(follow), binding.onCheck(follow)];
  }

  /** What is open on an address that is still ours; null while nothing is. */
  get current(): T | null {
    const current = this.#current;
    return current !== null && current.address === this.#binding.localAddress(this.#family) ? current.value : null;
  }

  /** Opens it now if the address is there. Rejects as `open` does. */
  async start(): Promise<void> {
    const address = this.#binding.localAddress(this.#family);
    if (address !== null) this.#current = { address, value: await this.#open(address) };
  }

  /** What is open is of no use any more: it is opened again at the next look. */
  drop(): void {
    this.#current?.value.close();
    this.#current = null;
  }

  /** Returns what closing the open one returns. */
  close(): void | Promise<void> {
    this.#isClosed = true;
    for (const forget of this.#forget) forget();
    const current = this.#current;
    this.#current = null;
    return current?.value.close();
  }

  #follow(): void {
    const address = this.#binding.localAddress(this.#family);
    if (this.#current !== null && this.#current.address !== address) this.drop();
    if (this.#current !== null || address === null || this.#isOpening) return;
    this.#isOpening = true;
    this.#open(address)
      .then((value) => {
        this.#current = { address, value };
        // The address, or the need for it, may have gone meanwhile.
        if (this.#isClosed || this.#binding.localAddress(this.#family) !== address) this.drop();
      })
      .catch((error) => this.#log.warn('an address cannot be used yet', { address, reason: errorMessage(error) }))
      .finally(() => {
        this.#isOpening = false;
      });
  }
}
