import { BaeError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Binding } from './binding.ts';
import { Follower } from './follower.ts';
import type { Connection, ConnectionHandlers, DatagramNetwork, MulticastNetwork, Network } from './ports.ts';

const familyOf = (host: string): 4 | 6 => (host.includes(':') ? 6 : 4);
const LOOPBACK = { 4: '127.0.0.1', 6: '::1' } as const;

function gone(binding: Binding, family: 4 | 6): BaeError {
  return new BaeError('unavailable', binding.fault ?? `There is no IPv${family} address to send from.`);
}

/**
 * TCP from the bound addresses alone. It listens on the bound address of `host`'s family whenever that is there, always on
 * the same port; connections that have an address which is ours no more end at once.
 */
export function boundNetwork(network: Network, binding: Binding, log: Log): Network {
  const open = new Set<BoundConnection>();
  binding.onChange(() => {
    for (const connection of [...open]) {
      const { localAddress } = connection;
      if (binding.localAddress(familyOf(localAddress)) !== localAddress) connection.destroy();
    }
  });
  return {
    isDown: () => !binding.isUp,

    async connect(host, port, timeoutMilliseconds) {
      const family = familyOf(host);
      const localAddress = binding.localAddress(family);
      if (localAddress === null) throw gone(binding, family);
      const connection = new BoundConnection(
        await network.connect(host, port, timeoutMilliseconds, localAddress),
        localAddress,
        open,
      );
      if (binding.localAddress(family) === localAddress) return connection;
      connection.destroy();
      throw gone(binding, family);
    },

    async listen(host, port, accept) {
      const family = familyOf(host);
      let taken = port === 0 && binding.localAddress(family) === null ? await freePort(network, family) : port;
      const listener = new Follower(
        binding,
        family,
        (address) => network.listen(address, taken, (inner) => accept(new BoundConnection(inner, address, open))),
        log,
      );
      try {
        await listener.start();
      } catch (error) {
        listener.close();
        throw error;
      }
      taken = listener.current?.port ?? taken;
      return {
        port: taken,
        close: async () => listener.close(),
      };
    },
  };
}

/** A port that nobody listens on, on this machine alone; what it is for cannot be listened on yet. */
async function freePort(network: Network, family: 4 | 6): Promise<number> {
  const { port, close } = await network.listen(LOOPBACK[family], 0, (connection) => connection.destroy());
  await close();
  return port;
}

/** UDP from the bound addresses alone: what is sent while there is none is lost. */
export function boundDatagrams(network: DatagramNetwork, binding: Binding, log: Log): DatagramNetwork {
  return {
    async bind(host, port, handlers) {
      let taken = port;
      const socket = new Follower(
        binding,
        familyOf(host),
        async (address) => {
          const opened = await network.bind(address, taken, { ...handlers, failed: () => socket.drop() });
          taken = opened.port;
          return opened;
        },
        log,
      );
      try {
        await socket.start();
      } catch (error) {
        socket.close();
        throw error;
      }
      return {
        get port() {
          return taken;
        },
        send: (packet, to, toPort) => socket.current?.send(packet, to, toPort),
        close: () => socket.close(),
      };
    },
  };
}

/** Groups on the network of the bound addresses alone. A member fails when its address goes, and may join again. */
export function boundMulticast(network: MulticastNetwork, binding: Binding): MulticastNetwork {
  return {
    async join(group, port, _localAddress, handlers) {
      const family = familyOf(group);
      const address = binding.localAddress(family);
      if (address === null) throw gone(binding, family);
      const socket = await network.join(group, port, address, handlers);
      const isOurs = () => binding.localAddress(family) === address;
      if (!isOurs()) {
        socket.close();
        throw gone(binding, family);
      }
      const forget = binding.onChange(() => {
        if (isOurs()) return;
        forget();
        socket.close();
        handlers.failed(gone(binding, family));
      });
      return {
        port: socket.port,
        send(packet, to, toPort) {
          if (isOurs()) socket.send(packet, to, toPort);
        },
        close() {
          forget();
          socket.close();
        },
      };
    },
  };
}

/** A connection that is known as long as it is open, so that it can be ended with its address. */
class BoundConnection implements Connection {
  readonly localAddress: string;
  readonly copies?: true;
  readonly #inner: Connection;
  readonly #open: Set<BoundConnection>;
  #handlers: ConnectionHandlers | null = null;

  constructor(inner: Connection, localAddress: string, open: Set<BoundConnection>) {
    this.#inner = inner;
    this.localAddress = localAddress;
    this.#open = open;
    if (inner.copies === true) this.copies = true;
    open.add(this);
  }

  get remoteAddress(): string {
    return this.#inner.remoteAddress;
  }

  get remotePort(): number {
    return this.#inner.remotePort;
  }

  get queuedBytes(): number {
    return this.#inner.queuedBytes;
  }

  get handlers(): ConnectionHandlers | null {
    return this.#handlers;
  }

  set handlers(handlers: ConnectionHandlers | null) {
    const isFirst = this.#handlers === null;
    this.#handlers = handlers;
    if (!isFirst || handlers === null) return;
    this.#inner.handlers = {
      data: (chunk) => this.#handlers?.data(chunk),
      drained: () => this.#handlers?.drained(),
      closed: (error) => {
        this.#open.delete(this);
        this.#handlers?.closed(error);
      },
    };
  }

  write(buffers: readonly Buffer[], written?: () => void): void {
    this.#inner.write(buffers, written);
  }

  pause(): void {
    this.#inner.pause();
  }

  resume(): void {
    this.#inner.resume();
  }

  destroy(): void {
    this.#open.delete(this);
    this.#inner.destroy();
  }
}
