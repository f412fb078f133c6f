// A tracker that keeps to a plan: what it answers, when it is down, and what of it gets lost.
import type { Random } from '../../src/lib/random.ts';
import { parseReply, type TrackerClient, TrackerError } from '../../src/torrent/discovery/index.ts';
import type { AnnounceReply, AnnounceRequest } from '../../src/torrent/discovery/ports.ts';
import { encode } from '../../src/torrent/metainfo/index.ts';
import { encodeCompactPeers } from '../../src/torrent/wire/index.ts';
import type { VirtualClock } from './virtual-clock.ts';

export interface TrackerPlan {
  readonly intervalSeconds: number;
  /** Virtual milliseconds between which it does not answer. */
  readonly downFrom: number;
  readonly downUntil: number;
  /** Addresses of nobody in each reply. */
  readonly strangers: number;
  /** Of those that take part it names this one alone, always, and liars: the others are to be found in another way; null: all. */
  readonly namesOnly: string | null;
  /** Of a hundred requests or replies so many are lost. */
  readonly lossPercent: number;
  /** Of a hundred replies so many are not bencode. */
  readonly garbagePercent: number;
  /** Whether a second tracker that never answers is named in a tier behind. */
  readonly deadSecondTier: boolean;
}

export interface Announce {
  readonly url: string;
  readonly from: string;
  /** Virtual milliseconds. */
  readonly at: number;
  readonly request: AnnounceRequest;
  /** The reply reached who had asked. */
  answered: boolean;
}

interface Member {
  readonly host: string;
  readonly port: number;
}

const TRACKER = 'http://tracker.example/announce?passkey=secret';
const DEAD_TRACKER = 'http://dead.example/announce';
const PEER_PORT = 6881;
const MOST_DELAY_MILLISECONDS = 400;

export class VirtualTracker {
  readonly urls: readonly (readonly string[])[];
  readonly plan: TrackerPlan;
  /** All that it was told, in order, by whomever. */
  readonly announces: Announce[] = [];
  /** Who was told of whom, as `20.1.1.1 20.1.2.1`. */
  readonly told = new Set<string>();
  readonly #clock: VirtualClock;
  readonly #random: Random;
  readonly #members = new Map<string, Member>();

  /** `isUsed` false: torrents name no tracker. */
  constructor(clock: VirtualClock, random: Random, plan: TrackerPlan, isUsed = true) {
    this.#clock = clock;
    this.#random = random;
    this.plan = plan;
    if (plan.namesOnly !== null) this.name(plan.namesOnly, PEER_PORT);
    this.urls = !isUsed ? [] : plan.deadSecondTier ? [[TRACKER], [DEAD_TRACKER]] : [[TRACKER]];
  }

  /** Names somebody who does not announce. */
  name(host: string, port: number): void {
    this.#members.set(host, { host, port });
  }

  /** How a host of this address reaches it. */
  clientOf(address: string): TrackerClient {
    return { announce: (url, request, signal) => this.#announce(address, url, request, signal) };
  }

  #announce(from: string, url: URL, request: AnnounceRequest, signal: AbortSignal): Promise<AnnounceReply> {
    const announce: Announce = { url: url.href, from, at: this.#clock.monotonic(), request, answered: false };
    this.announces.push(announce);
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(1 + this.#random.int(MOST_DELAY_MILLISECONDS), async () => {
        if (this.#isLost(url)) return;
        await request.sending?.();
        const body = this.#answer(from, request);
        if (this.#isLost(url)) return;
        announce.answered = true;
        try {
          resolve(parseReply(body, [url], 200));
        } catch (error) {
          announce.answered = false;
          reject(error);
        }
      });
      signal.addEventListener('abort', () => {
        timer.cancel();
        reject(new TrackerError('unreachable', `${url.host} did not answer in time`));
      });
    });
  }

  #isLost(url: URL): boolean {
    const now = this.#clock.monotonic();
    const { downFrom, downUntil, lossPercent } = this.plan;
    return url.href !== TRACKER || (now >= downFrom && now < downUntil) || this.#random.int(100) < lossPercent;
  }

  #answer(from: string, { event, port, wanted }: AnnounceRequest): Buffer {
    const others = [...this.#members.values()].filter(({ host }) => host !== from);
    if (event === 'stopped' && this.plan.namesOnly !== from) this.#members.delete(from);
    else if (this.plan.namesOnly === null || this.plan.namesOnly === from)
      this.#members.set(from, { host: from, port });
    if (this.#random.int(100) < this.plan.garbagePercent) return this.#random.bytes(40);
    const peers = shuffled(others, this.#random).slice(0, wanted);
    for (const { host } of peers) this.told.add(`${from} ${host}`);
    for (let count = 0; count < this.plan.strangers; count++) peers.push(this.#stranger());
    return encode({
      interval: this.plan.intervalSeconds,
      complete: 1,
      incomplete: others.length,
      peers: encodeCompactPeers(peers).ipv4,
    });
  }

  /** Some refuse at once, some (203.…) never answer, some are addresses that nobody may dial. */
  #stranger(): Member {
    const first = [203, 21, 22, 127, 10, 0, 255][this.#random.int(7)];
    const rest = [0, 0, 0].map(() => this.#random.int(256));
    return { host: [first, ...rest].join('.'), port: this.#random.int(65_536) };
  }
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const copy = [...items];
  for (let at = copy.length - 1; at > 0; at--) {
    const other = random.int(at + 1);
    [copy[at], copy[other]] = [copy[other] as T, copy[at] as T];
  }
  return copy;
}
