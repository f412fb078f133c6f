// A tracker as a program of its own, for another network namespace: `tracker-program.ts ADDRESS PORT` listens over HTTP and
// UDP, and writes a line for each HTTP announce: from where it came, and for which event.
import Server from 'bittorrent-tracker/server';

const [address = '', port = ''] = process.argv.slice(2);
const server = new Server({ interval: 600_000, ws: false, stats: false, filter: (_hash, _parameters, done) => done() });
server.http.on('request', ({ socket, url }) => {
  const event = /event=(\w+)/.exec(url ?? '')?.[1] ?? 'none';
  process.stdout.write(`announce from ${socket.remoteAddress} ${event}\n`);
});
server.on('warning', () => undefined);
server.on('error', (error) => {
  throw error;
});
const both = { http: Number(port), udp: Number(port) };
server.listen(both, { http: address, udp: address, udp6: '::1' }, () => process.stdout.write('listens\n'));
