import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { BaeError } from '../lib/errors.ts';
import type { DatagramNetwork } from './ports.ts';

/** UDP over node:dgram. */
export const systemDatagrams: DatagramNetwork = {
  bind(host, port, handlers) {
    return new Promise((resolve, reject) => {
      const family = isIPv6(host) ? ('udp6' as const) : ('udp4' as const);
      const socket = createSocket({ type: family, ipv6Only: family === 'udp6' });
      let isClosed = false;
      const failedToBind = (cause: NodeJS.ErrnoException) => {
        socket.close();
        const why = cause.code ?? cause.message;
        reject(new BaeError('refused', `UDP port ${port} of ${host} cannot be used (${why}).`, { cause }));
      };
      socket.once('error', failedToBind);
      socket.bind({ address: host, port }, () => {
        socket.removeListener('error', failedToBind);
        socket.on('error', (error) => {
          if (!isClosed) handlers.failed(error);
        });
        socket.on('message', (packet, from) => {
          if (!isClosed) handlers.received(packet, from.address, from.port);
        });
        resolve({
          port: socket.address().port,
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
