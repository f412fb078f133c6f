import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { afterEach, expect, it, vi } from 'vitest';
import { systemMulticast } from './multicast.ts';
import type { DatagramSocket } from './ports.ts';

const open: DatagramSocket[] = [];
afterEach(() => {
  for (const socket of open.splice(0)) socket.close();
});

/** Groups of this run alone, where only we are. */
const groups = {
  ipv4: `239.193.${randomBytes(1)[0]}.${randomBytes(1)[0]}`,
  ipv6: `ff15::${randomBytes(2).toString('hex')}`,
};
const port = 20_000 + (process.pid % 10_000);

async function join(group: string, localAddress: string | null) {
  const received: string[] = [];
  const socket = await systemMulticast.join(group, port, localAddress, {
    received: (packet, host) => void received.push(`${packet} of ${host}`),
    failed: (error) => {
      throw error;
    },
  });
  open.push(socket);
  return { socket, received };
}

// IPv4 alone: a loopback interface has no route for groups of IPv6.
it('a packet reaches all who joined, and nothing else does', async () => {
  const [group, address] = [groups.ipv4, '127.0.0.1'];
  const [one, other] = [await join(group, address), await join(group, address)];
  const direct = createSocket('udp4');
  direct.send('direct', port, address);
  one.socket.send(Buffer.from('hello'), group, port);
  await vi.waitFor(() => expect(other.received).toContain(`hello of ${address}`));
  await vi.waitFor(() => expect(one.received).toContain(`hello of ${address}`));
  other.socket.close();
  one.socket.send(Buffer.from('more'), group, port);
  await vi.waitFor(() => expect(one.received).toContain(`more of ${address}`));
  direct.close();
  expect([...one.received, ...other.received].length).toBe(3);
});

it('what cannot be joined is refused, in words', async () => {
  for (const address of ['203.0.113.7', '2001:db8::7']) {
    const group = address.includes(':') ? groups.ipv6 : groups.ipv4;
    await expect(join(group, address)).rejects.toMatchObject({ kind: 'refused', message: /^[A-Z].*\.$/ });
  }
  await expect(join('127.0.0.1', null)).rejects.toMatchObject({ kind: 'refused', message: /cannot be joined/ });
});
