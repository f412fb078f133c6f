import type { HostPort } from '../../metainfo/index.ts';
import { encodeNodes, type Family } from './compact.ts';
import { encodeError, encodeReply, KRPC_ERROR, type QueryMessage, type ReplyValues } from './krpc.ts';
import { BUCKET_NODES } from './limits.ts';
import type { PeerStore } from './peer-store.ts';
import type { RoutingTable } from './routing-table.ts';
import type { Tokens } from './tokens.ts';

export interface ResponderOptions {
  readonly family: Family;
  /** The table of a family; null where that family is not used. */
  readonly table: (family: Family) => RoutingTable | null;
  readonly store: PeerStore;
  readonly tokens: Tokens;
}

/** Answers what others ask (BEP 5, 32). */
export class Responder {
  readonly #options: ResponderOptions;

  constructor(options: ResponderOptions) {
    this.#options = options;
  }

  /** The packet that answers a query of `from`. */
  answer(message: QueryMessage, from: HostPort, ownId: Buffer): Buffer {
    const { query, transaction } = message;
    const { store, tokens, family } = this.#options;
    let values: ReplyValues = { id: ownId };
    if (query.method === 'find_node') values = { ...values, ...this.#nodes(query.target, message.want) };
    else if (query.method === 'get_peers') {
      const peers = store.compactPeers(query.infoHash, family);
      const token = tokens.make(from.host, query.infoHash);
      values = {
        ...values,
        ...this.#nodes(query.infoHash, message.want),
        token,
        ...(peers.length > 0 && { values: peers }),
      };
    } else if (query.method === 'announce_peer') {
      if (!tokens.check(query.token, from.host, query.infoHash)) {
        return encodeError(transaction, KRPC_ERROR.protocol, 'the token is not valid');
      }
      if (!store.add(query.infoHash, { host: from.host, port: query.port ?? from.port })) {
        return encodeError(transaction, KRPC_ERROR.generic, 'this address announces too many torrents here');
      }
    }
    return encodeReply(transaction, values, from);
  }

  #nodes(target: Buffer, want: readonly Family[]): Pick<ReplyValues, 'nodes' | 'nodes6'> {
    const of = (family: Family) => {
      const asked = want.length === 0 ? family === this.#options.family : want.includes(family);
      const table = asked ? this.#options.table(family) : null;
      return table === null ? undefined : encodeNodes(table.closest(target, BUCKET_NODES), family);
    };
    const nodes = of(4);
    const nodes6 = of(6);
    return { ...(nodes !== undefined && { nodes }), ...(nodes6 !== undefined && { nodes6 }) };
  }
}
