import { HandshakeDecoder, type Message, MessageDecoder, messageSink } from '../../src/torrent/wire/index.ts';
import type { Attacker } from './crowd.ts';

/** Hands on each message that a greeted attacker gets from now on; to be called before the server can have answered. */
export function hear({ socket }: Attacker, pieceCount: number, take: (message: Message) => void): void {
  const handshake = new HandshakeDecoder();
  const messages = new MessageDecoder({ pieceCount, fast: true, extended: true });
  const sink = messageSink(take);
  socket.on('data', (data: Buffer) => {
    const rest = handshake.handshake === null ? handshake.push(data) : data;
    if (handshake.handshake !== null) messages.push(rest, sink);
  });
}
