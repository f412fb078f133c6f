import { BlockList, isIP } from 'node:net';

/** A Unix socket's path must fit in sockaddr_un (108 bytes with its end on Linux, 104 on macOS). */
export const SOCKET_PATH_BYTES = 103;

/** Addresses no stranger can mean well with: loopback, private, link-local, shared, multicast, unspecified (RFC 6890). */
const special = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  special.addSubnet(network, prefix, 'ipv4');
}

/** The one block of IPv6 in public use (IANA: global unicast), less documentation and the ways into IPv4. */
const publicIpv6 = new BlockList();
publicIpv6.addSubnet('2000::', 3, 'ipv6');
const specialIpv6 = new BlockList();
specialIpv6.addSubnet('2001:db8::', 32, 'ipv6');
specialIpv6.addSubnet('2001::', 32, 'ipv6');
specialIpv6.addSubnet('2002::', 16, 'ipv6');

/** Whether an IP address (no brackets) belongs to the public internet; false for anything that is no address. */
export function isPublicAddress(address: string): boolean {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  const plain = mapped === null ? address : (mapped[1] as string);
  const family = isIP(plain);
  if (family === 4) return !special.check(plain, 'ipv4');
  if (family === 6) return publicIpv6.check(plain, 'ipv6') && !specialIpv6.check(plain, 'ipv6');
  return false;
}

/** Whether this is an IP address (no brackets) of the machine itself. */
export function isLoopbackAddress(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\.\d+\.\d+\.\d+$/i.test(address);
}
