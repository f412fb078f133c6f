// Hosts, lines with delay and speed, and connections between them, all in memory and virtual time.
import { BaeError } from '../../src/lib/errors.ts';
import type { Connection, ConnectionHandlers, Network } from '../../src/torrent/ports.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** One direction of a host's line. */
interface Line {
  bytesPerSecond: number;
  freeAt: number;
}

type Accept = (connection: Connection) => void;

export interface HostOptions {
  readonly uploadBytesPerSecond?: number;
  readonly latencyMilliseconds?: number;
}

const FAST = 100_000_000;

export class VirtualNetwork {
  readonly clock: VirtualClock;
  readonly #listeners = new Map<string, Accept>();
  /** Dials seen, `from > to`. */
  readonly dials: string[] = [];
  #nextPort = 40_000;

  constructor(clock: VirtualClock) {
    this.clock = clock;
  }

  /** The network as a host of this address sees it. */
  host(address: string, options: HostOptions = {}): Network & { readonly line: Line } {
    const line = { bytesPerSecond: options.uploadBytesPerSecond ?? FAST, freeAt: 0 };
    const latency = options.latencyMilliseconds ?? 5;
    return {
      line,
      connect: async (host, port, timeoutMilliseconds) => {
        this.dials.push(`${address} > ${host}:${port}`);
        const accept = this.#listeners.get(`${host}:${port}`);
        if (accept === undefined) {
          await this.#wait(host.startsWith('203.') ? timeoutMilliseconds : latency);
          throw new BaeError('unavailable', `${host} port ${port} cannot be reached`);
        }
        await this.#wait(latency);
        const here = new VirtualConnection(this.clock, host, port, line, latency);
        const there = new VirtualConnection(this.clock, address, this.#nextPort++, line, latency);
        here.other = there;
        there.other = here;
        accept(there);
        return here;
      },
      listen: (host, port, accept) => {
        const taken = port === 0 ? this.#nextPort++ : port;
        const at = host === '0.0.0.0' ? address : host;
        const name = `${at}:${taken}`;
        if (this.#listeners.has(name)) {
          const cause = Object.assign(new Error('in use'), { code: 'EADDRINUSE' });
          return Promise.reject(new BaeError('refused', `port ${taken} is in use`, { cause }));
        }
        // What comes back over a connection goes over this host's line.
        this.#listeners.set(name, (connection) => {
          (connection as VirtualConnection).line = line;
          accept(connection);
        });
        return Promise.resolve({
          port: taken,
          close: () => {
            this.#listeners.delete(name);
            return Promise.resolve();
          },
        });
      },
    };
  }

  #wait(milliseconds: number): Promise<void> {
    return new Promise((resolve) => this.clock.after(milliseconds, resolve));
  }
}

/** One end of a connection. */
export class VirtualConnection implements Connection {
  readonly remoteAddress: string;
  readonly remotePort: number;
  line: Line;
  other: VirtualConnection | null = null;
  queuedBytes = 0;
  writes = 0;
  readonly #clock: VirtualClock;
  readonly #latency: number;
  readonly #waiting: Buffer[] = [];
  readonly #written = new Set<() => void>();
  #handlers: ConnectionHandlers | null = null;
  #paused = false;
  #ended = false;
  #lastAt = 0;

  constructor(clock: VirtualClock, remoteAddress: string, remotePort: number, line: Line, latency: number) {
    this.#clock = clock;
    this.remoteAddress = remoteAddress;
    this.remotePort = remotePort;
    this.line = line;
    this.#latency = latency;
  }

  get handlers(): ConnectionHandlers | null {
    return this.#handlers;
  }

  set handlers(handlers: ConnectionHandlers | null) {
    const first = this.#handlers === null;
    this.#handlers = handlers;
    this.#clock.after(0, () => {
      if (this.#ended && first) this.#handlers?.closed();
      else this.#deliver();
    });
  }

  write(buffers: readonly Buffer[], written?: () => void): void {
    if (this.#ended) {
      if (written !== undefined) this.#clock.after(0, written);
      return;
    }
    const bytes = Buffer.concat(buffers);
    this.writes++;
    this.queuedBytes += bytes.length;
    if (written !== undefined) this.#written.add(written);
    const now = this.#clock.monotonic();
    this.line.freeAt = Math.max(now, this.line.freeAt) + (bytes.length * 1000) / this.line.bytesPerSecond;
    this.#clock.after(this.line.freeAt - now, () => {
      this.queuedBytes -= bytes.length;
      if (written !== undefined && this.#written.delete(written)) written();
    });
    this.#lastAt = this.line.freeAt + this.#latency;
    this.#clock.after(this.#lastAt - now, () => this.other?.receive(bytes));
  }

  receive(bytes: Buffer): void {
    if (this.#ended) return;
    this.#waiting.push(bytes);
    this.#deliver();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#deliver();
  }

  destroy(): void {
    if (this.#ended) return;
    const now = this.#clock.monotonic();
    this.end();
    // What was written before arrives before the end does.
    this.#clock.after(Math.max(0, this.#lastAt - now) + this.#latency, () => this.other?.end());
  }

  /** The connection is over, from whichever side. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#clock.after(0, () => {
      this.#handlers?.closed();
      for (const written of this.#written) written();
      this.#written.clear();
    });
  }

  #deliver(): void {
    while (this.#handlers !== null && !this.#paused && !this.#ended) {
      const bytes = this.#waiting.shift();
      if (bytes === undefined) return;
      this.#handlers.data(bytes);
      // Chunks are valid during the call only: whoever kept one finds nonsense.
      bytes.fill(0xee);
    }
  }
}
