// Accepts connections, reads one handshake of each and hangs up: what that costs is Node's, whoever uses it. Prints its port.
import { type AddressInfo, createServer } from 'node:net';

const server = createServer((socket) => {
  socket.on('error', () => undefined);
  socket.on('data', () => socket.destroy());
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
