import type { HostPort } from '../../metainfo/index.ts';
import type { Addresses } from './addresses.ts';
import { Bucket, isBad, isGood, type TableNode } from './bucket.ts';
import type { NodeInfo } from './compact.ts';
import * as limits from './limits.ts';
import { compareDistance, ID_BYTES, isIdOfAddress, sharedBits } from './node-id.ts';

/**
 * The nodes we know of one family (BEP 5, 32): for each number of first bits in common with our id a bucket of 8. Only who
 * has answered us is in it, an address counts once (BEP 42), and one whose id goes with its address is preferred. Times are
 * monotonic milliseconds.
 */
export class RoutingTable {
  readonly ownId: Buffer;
  readonly #addresses: Addresses;
  readonly #buckets: (Bucket | undefined)[] = [];
  readonly #byAddress = new Map<string, TableNode>();
  readonly #owners = new Set<string>();

  constructor(ownId: Buffer, addresses: Addresses) {
    this.ownId = ownId;
    this.#addresses = addresses;
  }

  /** Nodes in buckets. */
  get size(): number {
    return this.#byAddress.size;
  }

  all(): readonly TableNode[] {
    return [...this.#byAddress.values()];
  }

  /**
   * A node answered: it is (again) one of ours, if there is a place for it. Returns a questionable node that should be
   * asked whether it is still there, since another would like its place.
   */
  answered(info: NodeInfo, now: number): TableNode | null {
    const bits = sharedBits(this.ownId, info.id);
    if (bits === ID_BYTES * 8) return null;
    const known = this.#byAddress.get(nameOf(info));
    if (known?.id.equals(info.id)) {
      known.heardAt = now;
      known.failures = 0;
      return null;
    }
    if (known !== undefined) this.#forget(known);
    const bucket = this.#bucket(bits, now);
    const twin = bucket.nodes.find(({ id }) => id.equals(info.id));
    // Somebody else says it is this node: it stays where it answers.
    if (twin !== undefined && !isBad(twin)) return isGood(twin, now) ? null : twin;
    if (twin !== undefined) this.#forget(twin);
    return this.#settle(bucket, makeNode(info, now), now);
  }

  /** A node asked us something. True when it would be welcome in the table: it should be asked whether it answers. */
  heard(info: NodeInfo, now: number): boolean {
    const bits = sharedBits(this.ownId, info.id);
    if (bits === ID_BYTES * 8) return false;
    const known = this.#byAddress.get(nameOf(info));
    if (known?.id.equals(info.id)) {
      if (!isBad(known)) known.heardAt = now;
      return isBad(known);
    }
    if (this.#isTaken(info.host)) return false;
    const bucket = this.#buckets[bits];
    return bucket === undefined || bucket.victim(false) !== undefined || bucket.questionable(now) !== null;
  }

  /** A node did not answer. */
  failed(address: HostPort, now: number): void {
    const node = this.#byAddress.get(nameOf(address));
    if (node === undefined) return;
    node.failures++;
    if (!isBad(node)) return;
    const bucket = this.#bucket(sharedBits(this.ownId, node.id), now);
    const next = bucket.replacement();
    // With nobody in its place it stays: when our own line is down, all are bad.
    if (next === undefined) return;
    this.#forget(node);
    this.#settle(bucket, next, now);
  }

  /** Up to `count` nodes nearest to the target, the nearest first; no bad ones. */
  closest(target: Buffer, count: number): TableNode[] {
    const bits = Math.min(sharedBits(this.ownId, target), ID_BYTES * 8 - 1);
    const found: TableNode[] = [];
    const take = (at: number) => {
      for (const node of this.#buckets[at]?.nodes ?? []) if (!isBad(node)) found.push(node);
    };
    take(bits);
    // All that have more in common with us than the target has are about equally far from it.
    for (let at = bits + 1; at < this.#buckets.length; at++) take(at);
    for (let at = bits - 1; at >= 0 && found.length < count; at--) take(at);
    return found.sort((one, other) => compareDistance(target, one.id, other.id)).slice(0, count);
  }

  /** Good nodes, the nearest to us first, as many as are worth saving. */
  good(now: number): TableNode[] {
    return this.all()
      .filter((node) => isGood(node, now))
      .sort((one, other) => compareDistance(this.ownId, one.id, other.id))
      .slice(0, limits.SAVED_NODES);
  }

  /** The node not heard of for longest, once that is too long. */
  questionable(now: number): TableNode | null {
    let oldest: TableNode | null = null;
    for (const bucket of this.#buckets) {
      const node = bucket?.questionable(now) ?? null;
      if (node !== null && (oldest === null || node.heardAt < oldest.heardAt)) oldest = node;
    }
    return oldest;
  }

  /** A bucket, by its bits, that nothing has changed in for too long; it counts as refreshed from now on. */
  stale(now: number): number | null {
    for (let bits = 0; bits < this.#buckets.length; bits++) {
      const bucket = this.#buckets[bits];
      if (bucket === undefined || now - bucket.changedAt < limits.GOOD_MILLISECONDS) continue;
      bucket.changedAt = now;
      return bits;
    }
    return null;
  }

  #bucket(bits: number, now: number): Bucket {
    // Those before it can be refreshed too.
    for (let at = this.#buckets.length; at <= bits; at++) this.#buckets.push(new Bucket(now));
    return this.#buckets[bits] as Bucket;
  }

  #settle(bucket: Bucket, node: TableNode, now: number): TableNode | null {
    if (this.#isTaken(node.host)) return null;
    const victim = bucket.victim(node.isVerified);
    if (victim === undefined) {
      bucket.wait(node);
      return bucket.questionable(now);
    }
    if (victim !== null) this.#forget(victim);
    bucket.put(node);
    this.#byAddress.set(nameOf(node), node);
    const owner = this.#addresses.ownerOf(node.host);
    if (owner !== null) this.#owners.add(owner);
    return null;
  }

  #forget(node: TableNode): void {
    this.#buckets[sharedBits(this.ownId, node.id)]?.remove(node);
    this.#byAddress.delete(nameOf(node));
    const owner = this.#addresses.ownerOf(node.host);
    if (owner !== null) this.#owners.delete(owner);
  }

  #isTaken(host: string): boolean {
    const owner = this.#addresses.ownerOf(host);
    return owner !== null && this.#owners.has(owner);
  }
}

function makeNode({ id, host, port }: NodeInfo, now: number): TableNode {
  return { id, host, port, isVerified: isIdOfAddress(id, host), heardAt: now, failures: 0 };
}

function nameOf({ host, port }: HostPort): string {
  return `${host} ${port}`;
}
