import { ANNOUNCES_AT_ONCE, ANNOUNCES_PER_HOST_AND_SECOND, CONNECTIONS_PER_HOST } from './limits.ts';

/** One announce, from beginning to end. Never rejects. */
export type Job = () => Promise<void>;

interface Host {
  /** In the order they came. */
  readonly urgent: Set<Job>;
  readonly regular: Set<Job>;
  running: number;
  /** How many more may begin before the next tick. */
  credit: number;
}

/**
 * Announces that wait for their turn, host by host: a few connections each, begun at a bounded rate, and a bound over all,
 * for which the hosts take turns. A host that does not answer holds up nobody but itself.
 */
export class HostQueues {
  /** Those with something waiting, under way, or begun since the last tick; the next in turn first. */
  readonly #hosts = new Map<string, Host>();
  #running = 0;

  /** Urgent ones (what a person or an event wants told) go first, whatever the rate. */
  push(name: string, job: Job, urgent: boolean): void {
    let host = this.#hosts.get(name);
    if (host === undefined) {
      host = { urgent: new Set(), regular: new Set(), running: 0, credit: ANNOUNCES_PER_HOST_AND_SECOND };
      this.#hosts.set(name, host);
    }
    (urgent ? host.urgent : host.regular).add(job);
    this.#serve(name, host);
  }

  /** Takes back one that has not begun; false when it has. */
  drop(name: string, job: Job): boolean {
    const host = this.#hosts.get(name);
    return host !== undefined && (host.urgent.delete(job) || host.regular.delete(job));
  }

  /** To be called once a second: what waits for the rate goes on. */
  tick(): void {
    for (const [name, host] of this.#hosts) {
      if (host.running + host.urgent.size + host.regular.size === 0) this.#hosts.delete(name);
      else host.credit = ANNOUNCES_PER_HOST_AND_SECOND;
    }
    this.#serveAll();
  }

  /** Forgets what has not begun. */
  clear(): void {
    for (const host of this.#hosts.values()) {
      host.urgent.clear();
      host.regular.clear();
    }
    this.#hosts.clear();
  }

  #serveAll(): void {
    // A host that got a turn goes behind the others: the copy keeps this round to one look at each.
    for (const [name, host] of [...this.#hosts]) this.#serve(name, host);
  }

  #serve(name: string, host: Host): void {
    while (host.running < CONNECTIONS_PER_HOST && this.#running < ANNOUNCES_AT_ONCE) {
      const job = next(host);
      if (job === null) return;
      host.credit--;
      host.running++;
      this.#running++;
      this.#hosts.delete(name);
      this.#hosts.set(name, host);
      void job().then(() => {
        const wasFull = this.#running >= ANNOUNCES_AT_ONCE;
        host.running--;
        this.#running--;
        if (wasFull) this.#serveAll();
        else this.#serve(name, host);
      });
    }
  }
}

function next(host: Host): Job | null {
  const [urgent] = host.urgent;
  const [regular] = host.credit > 0 ? host.regular : [];
  const job = urgent ?? regular;
  if (job === undefined) return null;
  host.urgent.delete(job);
  host.regular.delete(job);
  return job;
}
