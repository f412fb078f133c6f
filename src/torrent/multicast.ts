import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { BaeError } from '../lib/errors.ts';
import type { MulticastNetwork } from './ports.ts';

/** Packets end at the first router. */
const HOPS = 1;

/** Multicast over node:dgram. The socket is bound to the group, so that packets to this machine alone do not reach it. */
export const systemMulticast: MulticastNetwork = {
  join(group, port, localAddress, handlers) {
    return new Promise((resolve, reject) => {
      const family = isIPv6(group) ? ('udp6' as const) : ('udp4' as const);
      const socket = createSocket({ type: family, reuseAddr: true, ipv6Only: family === 'udp6' });
      let isClosed = false;
      const failedToJoin = (cause: NodeJS.ErrnoException) => {
        isClosed = true;
        socket.close();
        const why = cause.code ?? cause.message;
        reject(new BaeError('refused', `The group ${group} cannot be joined on port ${port} (${why}).`, { cause }));
      };
      socket.once('error', failedToJoin);
      socket.bind({ address: group, port }, () => {
        try {
          const network = localAddress === null ? undefined : networkOf(localAddress);
          if (network !== undefined) socket.setMulticastInterface(network);
          socket.setMulticastTTL(HOPS);
          socket.addMembership(group, network);
        } catch (error) {
          failedToJoin(error as NodeJS.ErrnoException);
          return;
        }
        socket.removeListener('error', failedToJoin);
        socket.on('error', (error) => {
          if (!isClosed) handlers.failed(error);
        });
        socket.on('message', (packet, from) => {
          if (!isClosed) handlers.received(packet, from.address, from.port);
        });
        resolve({
          port,
          send(packet, to, toPort) {
            // What cannot be sent (no route, a full buffer) is as lost as what is lost on the way.
            if (!isClosed) socket.send(packet, toPort, to, () => undefined);
          },
          close() {
            if (isClosed) return;
            isClosed = true;
            socket.close();
          },
        });
      });
    });
  },
};

/** As node:dgram names a network: by an IPv4 address of ours, or, for IPv6, by the interface. */
function networkOf(localAddress: string): string {
  if (!isIPv6(localAddress)) return localAddress;
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    if (addresses?.some(({ address }) => address === localAddress)) return `::%${name}`;
  }
  throw new BaeError('refused', `This machine does not have the address ${localAddress}.`);
}
