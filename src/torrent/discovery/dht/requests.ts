import type { Clock } from '../../../lib/clock.ts';
import type { Random } from '../../../lib/random.ts';
import type { HostPort } from '../../metainfo/index.ts';
import type { Addresses } from './addresses.ts';
import { AddressBuckets, TokenBucket } from './caps.ts';
import type { Query, Reply } from './krpc.ts';
import * as limits from './limits.ts';

/** One question to one node. */
export interface Request extends HostPort {
  /** The id it is known by; null if only its address is known. */
  readonly id: Buffer | null;
  readonly query: Query;
  /** Called once: with the answer, or null when there is none (not in time, an error, or it could not be asked). */
  done(reply: Reply | null): void;
  /** It takes long; an answer may come yet. */
  slow?(): void;
}

interface Pending {
  readonly request: Request;
  readonly sentAt: number;
  isSlow: boolean;
}

export interface RequestsOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly addresses: Addresses;
  /** Whether an address may be asked at all. */
  readonly mayAsk: (host: string) => boolean;
  send(transaction: Buffer, request: Request): void;
  /** It was asked and did not answer. */
  failed(request: Request): void;
}

const OWN_TRANSACTION_BYTES = 4;

/** Questions of ours: within the rates, waiting their turn, and matched with their answers by transaction and address. */
export class Requests {
  readonly #options: RequestsOptions;
  /** By transaction in hex, in the order they were sent. */
  readonly #pending = new Map<string, Pending>();
  /** How many of them are for an address and port. */
  readonly #awaited = new Map<string, number>();
  #queue: Request[] = [];
  readonly #total: TokenBucket;
  readonly #perAddress = new AddressBuckets(limits.QUERIES_OUT_PER_ADDRESS);

  constructor(options: RequestsOptions) {
    this.#options = options;
    this.#total = new TokenBucket(limits.QUERIES_OUT, options.clock.monotonic());
  }

  get pending(): number {
    return this.#pending.size;
  }

  get queued(): number {
    return this.#queue.length;
  }

  /** Asks, now or when there is room. `done` is never called before this returns. */
  ask(request: Request): void {
    const { addresses, clock, mayAsk } = this.#options;
    const owner = addresses.ownerOf(request.host);
    if (
      this.#queue.length >= limits.QUEUED_QUERIES ||
      !addresses.isAllowed(request.host) ||
      !mayAsk(request.host) ||
      !this.#perAddress.take(owner, clock.monotonic())
    ) {
      queueMicrotask(() => request.done(null));
      return;
    }
    this.#queue.push(request);
    this.#sendQueued();
  }

  /** Whether an answer may come from there. */
  waitsFor(from: HostPort): boolean {
    return this.#awaited.has(nameOf(from));
  }

  /** The request that this answer from this address is for; null if nobody waits for it. */
  take(transaction: Buffer, from: HostPort): Request | null {
    const name = transaction.toString('hex');
    const pending = this.#pending.get(name);
    if (pending === undefined || pending.request.host !== from.host || pending.request.port !== from.port) return null;
    this.#forget(name, pending);
    return pending.request;
  }

  /** Often: gives up what is not answered, asks what waits. */
  tick(): void {
    const now = this.#options.clock.monotonic();
    for (const [name, pending] of this.#pending) {
      const age = now - pending.sentAt;
      if (age < limits.SLOW_MILLISECONDS) break;
      if (age >= limits.ANSWER_MILLISECONDS) {
        this.#forget(name, pending);
        this.#options.failed(pending.request);
        pending.request.done(null);
      } else if (!pending.isSlow) {
        pending.isSlow = true;
        pending.request.slow?.();
      }
    }
    this.#sendQueued();
  }

  /** Nothing more is asked, and nobody hears of an answer. */
  close(): void {
    this.#queue = [];
    this.#pending.clear();
    this.#awaited.clear();
  }

  #forget(name: string, { request }: Pending): void {
    this.#pending.delete(name);
    const address = nameOf(request);
    const count = this.#awaited.get(address) as number;
    if (count === 1) this.#awaited.delete(address);
    else this.#awaited.set(address, count - 1);
  }

  #sendQueued(): void {
    const { clock, random, send } = this.#options;
    const now = clock.monotonic();
    let sent = 0;
    while (sent < this.#queue.length && this.#pending.size < limits.TRANSACTIONS && this.#total.take(now)) {
      const request = this.#queue[sent++] as Request;
      const transaction = random.bytes(OWN_TRANSACTION_BYTES);
      this.#pending.set(transaction.toString('hex'), { request, sentAt: now, isSlow: false });
      this.#awaited.set(nameOf(request), (this.#awaited.get(nameOf(request)) ?? 0) + 1);
      send(transaction, request);
    }
    if (sent > 0) this.#queue.splice(0, sent);
  }
}

function nameOf({ host, port }: HostPort): string {
  return `${host} ${port}`;
}
