import type { Random } from '../../../lib/random.ts';
import type { HostPort } from '../../metainfo/index.ts';
import * as limits from './limits.ts';
import type { Seed } from './lookup.ts';
import type { DhtNode } from './node.ts';
import { idInBucket } from './node-id.ts';

/** Nodes named by torrents and peers that are asked in one second. */
const NAMED_PER_SECOND = 10;

export interface UpkeepOptions {
  readonly node: DhtNode;
  readonly random: Random;
  /** Good nodes of an earlier run. */
  readonly saved: readonly Seed[];
  /** Addresses, of this family, of the nodes that the settings name. Never rejects. */
  readonly bootstrap: () => Promise<readonly HostPort[]>;
}

/** Keeps one node's table filled: finds the way in, refreshes buckets, asks nodes that were silent for long (BEP 5). */
export class Upkeep {
  readonly #options: UpkeepOptions;
  readonly #named = new Map<string, HostPort>();
  #failures = 0;
  #nextAt = Number.NEGATIVE_INFINITY;
  /** A lookup of ours is under way. */
  #busy = false;

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  get named(): number {
    return this.#named.size;
  }

  /** Whether there is anybody to ask for a torrent. */
  get isReady(): boolean {
    const { table } = this.#options.node;
    return table.closest(table.ownId, 1).length > 0;
  }

  /** Somebody says that there is a node. Of too many the later ones are left out. */
  name(address: HostPort): void {
    if (this.#named.size < limits.NAMED_NODES) this.#named.set(`${address.host} ${address.port}`, address);
  }

  /** Once a second. Monotonic milliseconds. */
  tick(now: number): void {
    const { node, random } = this.#options;
    for (const [key, address] of [...this.#named].slice(0, NAMED_PER_SECOND)) {
      this.#named.delete(key);
      node.ping(address);
    }
    if (this.#busy) return;
    if (!this.isReady) {
      if (now >= this.#nextAt) this.#bootstrap(now);
      return;
    }
    this.#failures = 0;
    const silent = node.table.questionable(now);
    if (silent !== null) node.ping(silent);
    const bits = node.table.stale(now);
    if (bits !== null) this.#walk(idInBucket(node.table.ownId, bits, random), []);
  }

  /** First to those known from before; the nodes of the settings, which serve everybody, only when these do not answer. */
  #bootstrap(now: number): void {
    const { node, saved, bootstrap } = this.#options;
    const pause = limits.FIRST_BOOTSTRAP_SECONDS * 2 ** this.#failures;
    this.#nextAt = now + Math.min(pause, limits.MOST_BOOTSTRAP_SECONDS) * 1_000;
    const known: readonly Seed[] = [...saved, ...node.table.all()];
    if (known.length > 0 && this.#failures++ % 2 === 0) {
      this.#walk(node.table.ownId, known);
      return;
    }
    this.#failures++;
    this.#busy = true;
    void bootstrap().then((addresses) => {
      this.#walk(
        node.table.ownId,
        addresses.map(({ host, port }) => ({ id: null, host, port })),
      );
    });
  }

  #walk(target: Buffer, seeds: readonly Seed[]): void {
    this.#busy = true;
    this.#options.node.lookup({ method: 'find_node', target }, seeds, () => {
      this.#busy = false;
    });
  }
}
