import { isPublicAddress } from '../../../lib/addresses.ts';
import type { HostPort } from '../../metainfo/index.ts';
import { VOTES, VOTES_NEEDED } from './limits.ts';

/** How others say they see us (BEP 42): each address has one vote, only the newest votes count. */
export class ExternalAddress {
  readonly #votes = new Map<string, HostPort>();
  #host: string | null = null;

  /** `owner` null: a program of this machine, which sees nothing of the outside. */
  vote(owner: string | null, seenAs: HostPort): void {
    if (owner === null || !isPublicAddress(seenAs.host)) return;
    this.#votes.delete(owner);
    this.#votes.set(owner, seenAs);
    if (this.#votes.size > VOTES) this.#votes.delete(this.#votes.keys().next().value as string);
    this.#host = this.#count();
  }

  /** The address that enough of them, and most of them, agree on; else null. */
  get host(): string | null {
    return this.#host;
  }

  /** Most see another port than ours: a NAT in between changes it, and nobody new can reach us. */
  isPortChanged(ownPort: number): boolean {
    const { host } = this;
    if (host === null) return false;
    const seen = [...this.#votes.values()].filter((vote) => vote.host === host);
    return seen.filter(({ port }) => port !== ownPort).length * 2 > seen.length;
  }

  #count(): string | null {
    const counts = new Map<string, number>();
    for (const { host } of this.#votes.values()) counts.set(host, (counts.get(host) ?? 0) + 1);
    for (const [host, count] of counts) if (count >= VOTES_NEEDED && count * 2 > this.#votes.size) return host;
    return null;
  }
}
