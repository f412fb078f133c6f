import type { Random } from '../../../lib/random.ts';
import type { HostPort } from '../../metainfo/index.ts';
import * as limits from './limits.ts';
import type { Seed } from './lookup.ts';
import type { DhtNode } from './node.ts';
import { idInBucket } from './node-id.ts';

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
  /** Tries to find a way in, or neighbours, since the last that brought enough. */
  #tries = 0;
  #nextAt = Number.NEGATIVE_INFINITY;
  #wasReady = false;
  /** The id whose neighbours were looked for. */
  #walkedFor: Buffer | null = null;
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
    for (const [key, address] of [...this.#named].slice(0, limits.NAMED_PER_SECOND)) {
      this.#named.delete(key);
      node.ping(address);
    }
    const { table } = node;
    const { isReady } = this;
    const silent = isReady ? table.questionable(now) : null;
    if (silent !== null) node.ping(silent);
    if (this.#busy) return;
    // Somebody answered, or we have a new id: the neighbours are not known yet.
    const isNew = isReady && (!this.#wasReady || this.#walkedFor?.equals(table.ownId) !== true);
    this.#wasReady = isReady;
    if (isNew || table.size >= limits.FEW_NODES) this.#tries = 0;
    if (isNew || (table.size < limits.FEW_NODES && now >= this.#nextAt)) {
      this.#try(now, isReady);
      return;
    }
    const bits = isReady ? table.stale(now) : null;
    if (bits !== null) this.#walk(idInBucket(table.ownId, bits, random), []);
  }

  /** Looks for our neighbours, or for a way in first. */
  #try(now: number, isReady: boolean): void {
    const pauseSeconds = limits.FIRST_BOOTSTRAP_SECONDS * 2 ** this.#tries++;
    const mostSeconds = isReady ? limits.MOST_NEIGHBOUR_SECONDS : limits.MOST_BOOTSTRAP_SECONDS;
    this.#nextAt = now + Math.min(pauseSeconds, mostSeconds) * 1_000;
    if (isReady) this.#walkToNeighbours([]);
    else this.#bootstrap();
  }

  /** First to those known from before; the nodes of the settings, which serve everybody, only when these do not answer. */
  #bootstrap(): void {
    const { node, saved, bootstrap } = this.#options;
    const known: readonly Seed[] = [...saved, ...node.table.all()];
    if (known.length > 0 && this.#tries % 2 === 1) {
      this.#walkToNeighbours(known);
      return;
    }
    this.#busy = true;
    void bootstrap().then((addresses) => {
      this.#walkToNeighbours(addresses.map(({ host, port }) => ({ id: null, host, port })));
    });
  }

  #walkToNeighbours(seeds: readonly Seed[]): void {
    const { ownId } = this.#options.node.table;
    this.#walkedFor = ownId;
    this.#walk(ownId, seeds);
  }

  #walk(target: Buffer, seeds: readonly Seed[]): void {
    this.#busy = true;
    this.#options.node.lookup({ method: 'find_node', target }, seeds, () => {
      this.#busy = false;
    });
  }
}
