import type { Connection, ConnectionHandlers } from '../../src/torrent/ports.ts';
import type { Line, VirtualNetwork } from './virtual-network.ts';

/** One end of a connection of a virtual network. Bytes come in order, each write at the time its line allows. */
export class VirtualConnection implements Connection {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly line: Line;
  other: VirtualConnection | null = null;
  queuedBytes = 0;
  writes = 0;
  readonly #network: VirtualNetwork;
  readonly #latency: number;
  /** Written and not yet there, in order. */
  readonly #flying: Buffer[] = [];
  readonly #waiting: Buffer[] = [];
  /** Calls that tell that the system took a write, and its bytes. */
  readonly #written = new Map<() => void, number>();
  #handlers: ConnectionHandlers | null = null;
  #paused = false;
  #ended = false;
  #lastAt = 0;

  constructor(network: VirtualNetwork, remoteAddress: string, remotePort: number, line: Line, latency: number) {
    this.#network = network;
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
    this.#network.after(0, () => {
      if (this.#ended && first) this.#handlers?.closed();
      else this.#deliver();
    });
  }

  write(buffers: readonly Buffer[], written?: () => void): void {
    const { clock } = this.#network;
    const bytes = Buffer.concat(buffers);
    if (this.#ended) {
      this.#network.lostBytes += bytes.length;
      if (written !== undefined) this.#network.after(0, written);
      return;
    }
    this.writes++;
    this.queuedBytes += bytes.length;
    if (written !== undefined) this.#written.set(written, bytes.length);
    const now = clock.monotonic();
    this.line.freeAt = Math.max(now, this.line.freeAt) + (bytes.length * 1000) / this.line.bytesPerSecond;
    this.#network.after(this.line.freeAt - now, () => {
      this.queuedBytes -= bytes.length;
      if (written !== undefined && this.#written.delete(written)) written();
    });
    this.#lastAt = Math.max(this.#lastAt, this.line.freeAt + this.#latency + this.#network.delayOf(this.line));
    this.#flying.push(bytes);
    this.#network.after(this.#lastAt - now, () => this.other?.receive(this.#flying.shift() as Buffer));
  }

  receive(bytes: Buffer): void {
    if (this.#ended || this.#isCut) {
      this.#network.lostBytes += bytes.length;
      return;
    }
    this.#waiting.push(...this.#parts(bytes));
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
    const { clock } = this.#network;
    const now = clock.monotonic();
    this.end();
    // What was written before arrives before the end does.
    this.#network.after(Math.max(0, this.#lastAt - now) + this.#latency, () => {
      if (!this.#isCut) this.other?.end();
    });
  }

  /** The connection is over, from whichever side. */
  end(error?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#network.closed(this);
    for (const bytes of this.#waiting.splice(0)) this.#network.lostBytes += bytes.length;
    this.#network.after(0, () => {
      this.#handlers?.closed(error);
      for (const [written, bytes] of this.#written) {
        this.#network.uncountedBytes += bytes;
        written();
      }
      this.#written.clear();
    });
  }

  get #isCut(): boolean {
    return this.line.cut || this.other?.line.cut === true;
  }

  #parts(bytes: Buffer): Buffer[] {
    if (!this.line.fragments || bytes.length < 2) return [bytes];
    const at = 1 + this.#network.random.int(bytes.length - 1);
    return [bytes.subarray(0, at), bytes.subarray(at)];
  }

  #deliver(): void {
    while (this.#handlers !== null && !this.#paused && !this.#ended) {
      const bytes = this.#waiting.shift();
      if (bytes === undefined) return;
      this.#handlers.data(bytes);
      // Chunks are valid during the call only: whoever kept one finds nonsense.
      bytes.fill(0xee);
      // Who ended it while reading did not read to the end.
      if (this.#ended) this.#network.lostBytes += bytes.length;
    }
  }
}
