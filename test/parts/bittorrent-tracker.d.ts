declare module 'bittorrent-tracker/server' {
  import type { Socket } from 'node:dgram';
  import type { EventEmitter } from 'node:events';
  import type { Server as HttpServer } from 'node:http';

  interface Hosts {
    http: string;
    udp: string;
    udp6: string;
  }
  export default class Server extends EventEmitter {
    constructor(options: {
      interval: number;
      ws: false;
      stats: false;
      filter(infoHash: string, parameters: unknown, done: (refusal?: Error) => void): void;
    });
    readonly http: HttpServer;
    readonly udp4: Socket;
    listen(ports: { http: number; udp: number }, hosts: Hosts, listening: () => void): void;
    close(closed: () => void): void;
  }
}
