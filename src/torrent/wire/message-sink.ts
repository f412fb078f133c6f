import type { Message, MessageSink } from './protocol.ts';

/** A sink that makes one Message object of each call, with copies of its bytes: for all that is not the hot path. */
export function messageSink(take: (message: Message) => void): MessageSink {
  return {
    onKeepAlive: () => take({ type: 'keepAlive' }),
    onChoke: () => take({ type: 'choke' }),
    onUnchoke: () => take({ type: 'unchoke' }),
    onInterested: () => take({ type: 'interested' }),
    onNotInterested: () => take({ type: 'notInterested' }),
    onHave: (index) => take({ type: 'have', index }),
    onBitfield: (bytes) => take({ type: 'bitfield', bytes: Buffer.from(bytes) }),
    onRequest: (index, begin, length) => take({ type: 'request', index, begin, length }),
    onPiece: (index, begin, data) => take({ type: 'piece', index, begin, data: Buffer.from(data) }),
    onCancel: (index, begin, length) => take({ type: 'cancel', index, begin, length }),
    onPort: (port) => take({ type: 'port', port }),
    onSuggest: (index) => take({ type: 'suggest', index }),
    onHaveAll: () => take({ type: 'haveAll' }),
    onHaveNone: () => take({ type: 'haveNone' }),
    onReject: (index, begin, length) => take({ type: 'reject', index, begin, length }),
    onAllowedFast: (index) => take({ type: 'allowedFast', index }),
    onExtended: (id, payload) => take({ type: 'extended', id, payload: Buffer.from(payload) }),
  };
}
