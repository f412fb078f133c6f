// Hosts, lines with delay, speed and loss, and connections between them, all in memory and virtual time.
import { BaeError } from '../../src/lib/errors.ts';
import { type Random, seededRandom } from '../../src/lib/random.ts';
import type { Connection, Network } from '../../src/torrent/ports.ts';
import type { VirtualClock } from './virtual-clock.ts';
import { VirtualConnection } from './virtual-connection.ts';

/** A host's way to the others. */
export interface Line {
  bytesPerSecond: number;
  freeAt: number;
  /** Nothing passes, and nobody is told: a cable pulled out. */
  cut: boolean;
  readonly jitterMilliseconds: number;
  readonly lossPercent: number;
  readonly fragments: boolean;
}

export interface HostOptions {
  readonly uploadBytesPerSecond?: number;
  readonly latencyMilliseconds?: number;
  /** Each write takes up to this much longer. */
  readonly jitterMilliseconds?: number;
  /** Of a hundred writes so many are lost and sent again, as TCP does: all behind them wait. */
  readonly lossPercent?: number;
  /** What arrives comes in pieces cut anywhere. */
  readonly fragments?: boolean;
}

type Accept = (connection: Connection) => void;

interface Listener {
  readonly line: Line;
  readonly accept: Accept;
}

const FAST = 100_000_000;
/** How long TCP waits at least before it sends again (RFC 6298 asks for 1 s, systems take 200 ms). */
const RESEND_MILLISECONDS = 200;
const RESEND_MORE_MILLISECONDS = 800;

export class VirtualNetwork {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly #listeners = new Map<string, Listener>();
  readonly #lines = new Map<string, Line>();
  /** Those that dialled, of connections that are open. */
  readonly #open = new Set<VirtualConnection>();
  /** Dials seen, `from > to`. */
  readonly dials: string[] = [];
  /** Bytes written that nobody got, since the connection ended or the line was cut. */
  lostBytes = 0;
  /** Bytes whose sender was gone before it was told that the system took them; they may have arrived. */
  uncountedBytes = 0;
  endedConnections = 0;
  /** Connections that were reset, and writes that were lost on the way and sent again. */
  resets = 0;
  resends = 0;
  /** Calls of the clock that are the network's own. */
  pending = 0;
  #nextPort = 40_000;

  constructor(clock: VirtualClock, random: Random = seededRandom(1)) {
    this.clock = clock;
    this.random = random;
  }

  /** The network as a host of this address sees it. A host that comes back has a new line. */
  host(address: string, options: HostOptions = {}): Network & { readonly line: Line } {
    const line: Line = {
      bytesPerSecond: options.uploadBytesPerSecond ?? FAST,
      freeAt: 0,
      cut: false,
      jitterMilliseconds: options.jitterMilliseconds ?? 0,
      lossPercent: options.lossPercent ?? 0,
      fragments: options.fragments ?? false,
    };
    this.#lines.set(address, line);
    const latency = options.latencyMilliseconds ?? 5;
    return {
      line,
      connect: (host, port, timeoutMilliseconds) =>
        this.#connect({ address, line, latency }, host, port, timeoutMilliseconds),
      listen: (host, port, accept) => this.#listen(host === '0.0.0.0' ? address : host, port, { line, accept }),
    };
  }

  /** What a host sends and should get goes nowhere from now on, and no end of a connection is told. */
  cut(address: string): void {
    const line = this.#lines.get(address);
    if (line !== undefined) line.cut = true;
  }

  /** A host's line stands still for a while; what was sent comes after it. */
  stall(address: string, milliseconds: number): void {
    const line = this.#lines.get(address);
    if (line !== undefined) line.freeAt = Math.max(line.freeAt, this.clock.monotonic()) + milliseconds;
  }

  /** Ends one open connection on both sides at once; what is under way is lost. */
  resetOne(): void {
    if (this.#open.size === 0) return;
    const connection = [...this.#open][this.random.int(this.#open.size)] as VirtualConnection;
    this.resets++;
    const error = new Error('reset');
    connection.other?.end(error);
    connection.end(error);
  }

  /** How much longer one write takes than the line's length. */
  delayOf({ jitterMilliseconds, lossPercent }: Line): number {
    const jitter = jitterMilliseconds > 0 ? this.random.int(jitterMilliseconds + 1) : 0;
    if (lossPercent === 0 || this.random.int(100) >= lossPercent) return jitter;
    this.resends++;
    return jitter + RESEND_MILLISECONDS + this.random.int(RESEND_MORE_MILLISECONDS);
  }

  /** Calls later, as what happens on a line. */
  after(milliseconds: number, call: () => void): void {
    this.pending++;
    this.clock.after(milliseconds, () => {
      this.pending--;
      call();
    });
  }

  closed(connection: VirtualConnection): void {
    this.endedConnections++;
    this.#open.delete(connection);
  }

  async #connect(
    from: { address: string; line: Line; latency: number },
    host: string,
    port: number,
    timeoutMilliseconds: number,
  ): Promise<Connection> {
    const { address, line, latency } = from;
    this.dials.push(`${address} > ${host}:${port}`);
    const silent = () => line.cut || this.#lines.get(host)?.cut === true || host.startsWith('203.');
    if (silent() || !this.#listeners.has(`${host}:${port}`)) {
      await this.#wait(silent() ? timeoutMilliseconds : latency);
      throw new BaeError('unavailable', `${host} port ${port} cannot be reached`);
    }
    await this.#wait(latency);
    // It may have gone in the meantime.
    const listener = this.#listeners.get(`${host}:${port}`);
    if (listener === undefined) throw new BaeError('unavailable', `${host} port ${port} cannot be reached`);
    const here = new VirtualConnection(this, host, port, line, latency);
    // What comes back goes over the other host's line.
    const there = new VirtualConnection(this, address, this.#nextPort++, listener.line, latency);
    here.other = there;
    there.other = here;
    this.#open.add(here);
    listener.accept(there);
    return here;
  }

  #listen(at: string, port: number, listener: Listener): ReturnType<Network['listen']> {
    const taken = port === 0 ? this.#nextPort++ : port;
    const name = `${at}:${taken}`;
    if (this.#listeners.has(name)) {
      const cause = Object.assign(new Error('in use'), { code: 'EADDRINUSE' });
      return Promise.reject(new BaeError('refused', `port ${taken} is in use`, { cause }));
    }
    this.#listeners.set(name, listener);
    const close = () => {
      this.#listeners.delete(name);
      return Promise.resolve();
    };
    return Promise.resolve({ port: taken, close });
  }

  #wait(milliseconds: number): Promise<void> {
    return new Promise((resolve) => this.after(milliseconds, resolve));
  }
}
