import { afterEach, describe, expect, it, vi } from 'vitest';
import { systemDatagrams } from './datagrams.ts';
import type { DatagramSocket } from './ports.ts';

const open: DatagramSocket[] = [];
afterEach(() => {
  for (const socket of open.splice(0)) socket.close();
});

async function bind(host: string, port = 0) {
  const received: string[] = [];
  const socket = await systemDatagrams.bind(host, port, {
    received: (packet, from, at) => void received.push(`${packet} of ${from} ${at}`),
    failed: (error) => {
      throw error;
    },
  });
  open.push(socket);
  return { socket, received };
}

describe.each(['127.0.0.1', '::1'])('UDP on %s', (host) => {
  it('carries packets, tells from where, and nothing after it is closed', async () => {
    const [one, other] = [await bind(host), await bind(host)];
    one.socket.send(Buffer.from('hello'), host, other.socket.port);
    await vi.waitFor(() => expect(other.received).toEqual([`hello of ${host} ${one.socket.port}`]));
    other.socket.close();
    other.socket.close();
    one.socket.send(Buffer.from('more'), host, other.socket.port);
    other.socket.send(Buffer.from('after'), host, one.socket.port);
    const third = await bind(host);
    third.socket.send(Buffer.from('last'), host, one.socket.port);
    await vi.waitFor(() => expect(one.received).toEqual([`last of ${host} ${third.socket.port}`]));
    expect(other.received).toHaveLength(1);
  });

  it('a port in use is refused, in words', async () => {
    const { socket } = await bind(host);
    await expect(bind(host, socket.port)).rejects.toMatchObject({ kind: 'refused', message: /EADDRINUSE/ });
  });
});

it('what cannot be sent is lost, no more', async () => {
  const { socket, received } = await bind('127.0.0.1');
  socket.send(Buffer.from('x'), '::1', 9);
  socket.send(Buffer.from('x'), 'not an address', 9);
  socket.send(Buffer.alloc(100_000), '127.0.0.1', socket.port);
  socket.send(Buffer.from('small'), '127.0.0.1', socket.port);
  await vi.waitFor(() => expect(received).toHaveLength(1));
});

it('an address that is not of this machine is refused', async () => {
  await expect(bind('203.0.113.7')).rejects.toMatchObject({ kind: 'refused' });
});
