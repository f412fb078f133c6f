import type { NodeInfo } from './compact.ts';
import * as limits from './limits.ts';

/** A node that has answered us at least once. Times are monotonic milliseconds. */
export interface TableNode extends NodeInfo {
  /** Its id goes with its address (BEP 42). */
  readonly isVerified: boolean;
  /** Its last answer or query. */
  heardAt: number;
  /** Queries in a row that it did not answer. */
  failures: number;
}

export function isBad(node: TableNode): boolean {
  return node.failures >= limits.BAD_FAILURES;
}

/** BEP 5: heard of lately; a node that is neither good nor bad is questionable. */
export function isGood(node: TableNode, now: number): boolean {
  return node.failures === 0 && now - node.heardAt < limits.GOOD_MILLISECONDS;
}

/** Nodes at one distance from us, and a few that would like to be among them. */
export class Bucket {
  readonly nodes: TableNode[] = [];
  readonly #waiting: TableNode[] = [];
  /** Monotonic time of the last change, or of the last refresh. */
  changedAt: number;

  constructor(now: number) {
    this.changedAt = now;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Who goes for one more: nobody need (null), nobody may (undefined), else a bad one, or one that is not verified. */
  victim(isVerified: boolean): TableNode | null | undefined {
    if (this.nodes.length < limits.BUCKET_NODES) return null;
    return this.nodes.find(isBad) ?? (isVerified ? this.nodes.find((node) => !node.isVerified) : undefined);
  }

  put(node: TableNode): void {
    this.nodes.push(node);
    this.changedAt = Math.max(this.changedAt, node.heardAt);
  }

  remove(node: TableNode): void {
    this.nodes.splice(this.nodes.indexOf(node), 1);
  }

  /** Remembers one for whom there is no place; of too many, the one heard of longest ago goes. */
  wait(node: TableNode): void {
    const known = this.#waiting.findIndex(({ host, port }) => host === node.host && port === node.port);
    if (known >= 0) this.#waiting.splice(known, 1);
    this.#waiting.push(node);
    if (this.#waiting.length > limits.BUCKET_REPLACEMENTS) this.#waiting.shift();
  }

  /** Takes out the one heard of last. */
  replacement(): TableNode | undefined {
    return this.#waiting.pop();
  }

  /** The questionable node heard of longest ago: to be asked whether it is there. */
  questionable(now: number): TableNode | null {
    let oldest: TableNode | null = null;
    for (const node of this.nodes) {
      if (isGood(node, now) || isBad(node)) continue;
      if (oldest === null || node.heardAt < oldest.heardAt) oldest = node;
    }
    return oldest;
  }
}
