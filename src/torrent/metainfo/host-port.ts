/** Where somebody listens: an IPv4 or IPv6 address (no brackets) or a host name, and a port. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** The longest host name (RFC 1035). */
const MAX_HOST_CHARS = 253;

/**
 * Reads `host:port` or `[IPv6]:port`; null if it is neither or the port is not 1 to 65535. A name has letters of any script,
 * digits, dots, hyphens and underscores, so that it can be written into a magnet link as it is. Names are not looked up.
 */
export function parseHostPort(text: string): HostPort | null {
  const match = /^(?:\[([0-9a-f:.]+)\]|([\p{L}\p{M}\p{N}._-]+)):([0-9]{1,5})$/iu.exec(text);
  if (match === null) return null;
  const host = match[1] ?? match[2] ?? '';
  const port = Number(match[3]);
  if (host === '' || host.length > MAX_HOST_CHARS || port < 1 || port > 65_535) return null;
  if (match[1] !== undefined && !host.includes(':')) return null;
  return { host, port };
}

/** Writes `host:port`, an IPv6 address in brackets. */
export function formatHostPort(address: HostPort): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
