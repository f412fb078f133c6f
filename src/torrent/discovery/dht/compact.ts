import type { HostPort } from '../../metainfo/index.ts';
import { addressBytes, addressText } from '../../wire/index.ts';
import { ID_BYTES } from './node-id.ts';

/** Which of the two DHTs (BEP 32). */
export type Family = 4 | 6;

/** A node as others name it: its id (20 bytes) and where it is. */
export interface NodeInfo extends HostPort {
  readonly id: Buffer;
}

const ADDRESS_BYTES = { 4: 4, 6: 16 };
const PORT_BYTES = 2;

/** Of an IP address as the engine writes them; anything with a colon is IPv6. */
export function familyOf(host: string): Family {
  return host.includes(':') ? 6 : 4;
}

/** Bytes of one node in compact form: 26 (BEP 5) or 38 (BEP 32). */
export function nodeBytes(family: Family): number {
  return ID_BYTES + ADDRESS_BYTES[family] + PORT_BYTES;
}

/** Nodes one behind the other (BEP 5, 32); those with an address of the other family are left out. */
export function encodeNodes(nodes: readonly NodeInfo[], family: Family): Buffer {
  return Buffer.concat(
    nodes.flatMap((node) => {
      const address = encodeAddress(node);
      return address.length === ADDRESS_BYTES[family] + PORT_BYTES ? [node.id, address] : [];
    }),
  );
}

/**
 * Nodes from compact form; those with port 0, and IPv4 addresses dressed as IPv6, are left out. Null for a broken length. The
 * ids are copies.
 */
export function decodeNodes(bytes: Buffer, family: Family): NodeInfo[] | null {
  const size = nodeBytes(family);
  if (bytes.length % size !== 0) return null;
  const nodes: NodeInfo[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    const address = decodeAddress(bytes.subarray(at + ID_BYTES, at + size));
    if (address === null || familyOf(address.host) !== family) continue;
    nodes.push({ id: Buffer.from(bytes.subarray(at, at + ID_BYTES)), ...address });
  }
  return nodes;
}

/** Address and port in 6 or 18 bytes; empty for what is no IP address. */
export function encodeAddress({ host, port }: HostPort): Buffer {
  const address = addressBytes(host);
  return address === null ? Buffer.alloc(0) : Buffer.concat([address, Buffer.of(port >> 8, port & 0xff)]);
}

/** From 6 or 18 bytes; null for another length and for port 0. */
export function decodeAddress(bytes: Buffer): HostPort | null {
  if (bytes.length < PORT_BYTES) return null;
  const host = addressText(bytes.subarray(0, bytes.length - PORT_BYTES));
  const port = bytes.readUInt16BE(bytes.length - PORT_BYTES);
  return host === null || port === 0 ? null : { host, port };
}
