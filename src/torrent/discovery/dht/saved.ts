import { decodeNodes, encodeNodes, type Family, type NodeInfo } from './compact.ts';
import { SAVED_NODES } from './limits.ts';
import { ID_BYTES } from './node-id.ts';

/** One family's node as it is saved: everything in hex, so that it can be kept as JSON. */
export interface SavedNode {
  /** Our id. */
  readonly id: string;
  /** Good nodes in compact form. */
  readonly nodes: string;
}

/** What the next start should know: it finds its way in without the nodes of the settings, under the same id. */
export interface SavedDht {
  readonly ipv4: SavedNode | null;
  readonly ipv6: SavedNode | null;
}

export function saveNode(id: Buffer, nodes: readonly NodeInfo[], family: Family): SavedNode {
  return { id: id.toString('hex'), nodes: encodeNodes(nodes, family).toString('hex') };
}

/** What was saved, as far as it can be used: a node without a proper id is as if there were none. */
export function readSaved(saved: SavedDht | null, family: Family): { id: Buffer; nodes: readonly NodeInfo[] } | null {
  const node = family === 4 ? saved?.ipv4 : saved?.ipv6;
  if (node === null || node === undefined) return null;
  const id = Buffer.from(String(node.id), 'hex');
  if (id.length !== ID_BYTES) return null;
  return { id, nodes: (decodeNodes(Buffer.from(String(node.nodes), 'hex'), family) ?? []).slice(0, SAVED_NODES) };
}
