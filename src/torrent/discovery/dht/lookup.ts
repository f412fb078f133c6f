import type { Clock } from '../../../lib/clock.ts';
import type { HostPort } from '../../metainfo/index.ts';
import type { Addresses } from './addresses.ts';
import type { NodeInfo } from './compact.ts';
import type { Query, Reply } from './krpc.ts';
import * as limits from './limits.ts';
import { compareDistance } from './node-id.ts';
import type { Request } from './requests.ts';

/** Somebody to begin with, of whom perhaps only the address is known. */
export type Seed = HostPort & { readonly id: Buffer | null };

export interface LookupOptions {
  readonly clock: Clock;
  readonly addresses: Addresses;
  readonly ownId: Buffer;
  /** 20 bytes. */
  readonly target: Buffer;
  readonly query: Query;
  readonly seeds: readonly Seed[];
  /** Which nodes of an answer are of the family that is looked through. */
  readonly nodesOf: (reply: Reply) => readonly NodeInfo[];
  ask(request: Request): void;
  /** Peers that an answer named; none twice. */
  found?(peers: readonly HostPort[]): void;
  /** Called once. */
  done(result: LookupResult): void;
}

export interface LookupResult {
  /** Those that answered, the nearest first, at most 8, with the tokens they gave. */
  readonly closest: readonly (NodeInfo & { readonly token: Buffer | null })[];
  readonly queries: number;
  readonly answers: number;
  readonly peers: number;
}

interface Candidate extends HostPort {
  id: Buffer | null;
  state: 'new' | 'asked' | 'slow' | 'answered' | 'failed';
  token: Buffer | null;
}

/**
 * Walks towards a target (BEP 5): asks the nearest nodes known for nearer ones, a few at a time, until the 8 nearest have
 * answered. Ends within LOOKUP_MILLISECONDS and LOOKUP_QUERIES, whatever the answers are.
 */
export class Lookup {
  readonly #options: LookupOptions;
  /** The nearest first; those whose id is not known last. */
  #candidates: Candidate[] = [];
  readonly #seen = new Set<string>();
  readonly #peers = new Set<string>();
  readonly #endAt: number;
  #queries = 0;
  #answers = 0;
  #inFlight = 0;
  #slow = 0;
  #over = false;

  constructor(options: LookupOptions) {
    this.#options = options;
    this.#endAt = options.clock.monotonic() + limits.LOOKUP_MILLISECONDS;
    this.#add(options.seeds);
  }

  start(): void {
    this.#pump();
  }

  /** Ends it, with nothing that could be announced to. */
  cancel(): void {
    if (this.#over) return;
    this.#candidates = [];
    this.#end();
  }

  #add(seeds: readonly Seed[]): void {
    for (const { id, host, port } of seeds) {
      const { addresses, ownId } = this.#options;
      if (!addresses.isAllowed(host) || id?.equals(ownId)) continue;
      // One address is asked once, under whatever ids it is named (BEP 42).
      const name = addresses.ownerOf(host) ?? `${host} ${port}`;
      if (this.#seen.has(name)) continue;
      const candidate: Candidate = { id, host, port, state: 'new', token: null };
      this.#candidates.push(candidate);
      this.#seen.add(name);
    }
    this.#sort();
    for (const { host, port } of this.#candidates.splice(limits.LOOKUP_CANDIDATES)) {
      this.#seen.delete(this.#options.addresses.ownerOf(host) ?? `${host} ${port}`);
    }
  }

  #sort(): void {
    const { target } = this.#options;
    this.#candidates.sort((one, other) => {
      if (one.id === null || other.id === null) return Number(one.id === null) - Number(other.id === null);
      return compareDistance(target, one.id, other.id);
    });
  }

  #pump(): void {
    if (this.#over) return;
    const isLate = this.#options.clock.monotonic() >= this.#endAt || this.#queries >= limits.LOOKUP_QUERIES;
    while (!isLate && this.#inFlight - this.#slow < limits.ALPHA && this.#inFlight < limits.LOOKUP_IN_FLIGHT) {
      const next = this.#next();
      if (next === null || this.#queries >= limits.LOOKUP_QUERIES) break;
      this.#ask(next);
    }
    if (this.#inFlight === 0 || (isLate && this.#options.clock.monotonic() >= this.#endAt)) this.#end();
  }

  /** The nearest that is not asked yet, unless 8 nearer ones have answered. */
  #next(): Candidate | null {
    let answered = 0;
    for (const candidate of this.#candidates) {
      if (candidate.state === 'new') return candidate;
      if (candidate.state === 'answered' && ++answered >= limits.BUCKET_NODES) return null;
    }
    return null;
  }

  #ask(candidate: Candidate): void {
    candidate.state = 'asked';
    this.#inFlight++;
    this.#queries++;
    const { host, port, id } = candidate;
    this.#options.ask({
      ...{ host, port, id, query: this.#options.query },
      slow: () => {
        candidate.state = 'slow';
        this.#slow++;
        this.#pump();
      },
      done: (reply) => {
        if (candidate.state === 'slow') this.#slow--;
        this.#inFlight--;
        if (this.#over) return;
        candidate.state = reply === null ? 'failed' : 'answered';
        if (reply !== null) this.#answered(candidate, reply);
        this.#pump();
      },
    });
  }

  #answered(candidate: Candidate, reply: Reply): void {
    this.#answers++;
    candidate.id = reply.id;
    candidate.token = reply.token;
    this.#add(this.#options.nodesOf(reply));
    const fresh = reply.peers.filter(({ host, port }) => {
      const name = `${host} ${port}`;
      if (this.#peers.has(name) || this.#peers.size >= limits.LOOKUP_PEERS) return false;
      if (!this.#options.addresses.isAllowed(host)) return false;
      this.#peers.add(name);
      return true;
    });
    if (fresh.length > 0) this.#options.found?.(fresh);
  }

  #end(): void {
    this.#over = true;
    const answered = this.#candidates.filter((candidate) => candidate.state === 'answered');
    this.#options.done({
      closest: answered
        .slice(0, limits.BUCKET_NODES)
        .map(({ id, host, port, token }) => ({ id: id as Buffer, host, port, token })),
      queries: this.#queries,
      answers: this.#answers,
      peers: this.#peers.size,
    });
  }
}
