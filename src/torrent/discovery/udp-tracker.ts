import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import type { Clock } from '../../lib/clock.ts';
import type { Random } from '../../lib/random.ts';
import type { SourceAddress } from '../ports.ts';
import { decodeCompactPeers4, decodeCompactPeers6 } from '../wire/index.ts';
import { PEERS_PER_REPLY, UDP_CONNECTION_MILLISECONDS, UDP_FIRST_WAIT_MILLISECONDS, UDP_TRIES } from './limits.ts';
import { type AnnounceReply, type AnnounceRequest, type Resolver, type TrackerClient, TrackerError } from './ports.ts';
import { trackerWords } from './words.ts';

/** BEP 15: the magic of a connect request. */
const PROTOCOL_ID = 0x41727101980n;
const ACTION = { connect: 0, announce: 1, error: 3 } as const;
const EVENT: Record<string, number> = { completed: 1, started: 2, stopped: 3, paused: 0 };
/** Tracker hosts whose connection ids are remembered; the oldest goes first. */
const CONNECTIONS_KEPT = 256;
/** BEP 41: an option's data is at most this long, longer paths take several options. */
const URL_DATA_BYTES = 255;

interface Waiting {
  address: string;
  port: number;
  answer(packet: Buffer): void;
}

export interface UdpTrackerOptions {
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly random: Random;
  /** Where announces must come from; absent: the system's choice. */
  readonly source?: SourceAddress;
}

/** Announces over UDP (BEP 15, with BEP 41's path), one socket a family for all trackers. */
export class UdpTracker implements TrackerClient {
  readonly #options: UdpTrackerOptions;
  readonly #sockets = new Map<4 | 6, Socket>();
  readonly #waiting = new Map<number, Waiting>();
  readonly #connections = new Map<string, { id: Buffer; until: number }>();
  #closed = false;

  constructor(options: UdpTrackerOptions) {
    this.#options = options;
    options.source?.onChange(() => this.#drop());
  }

  async announce(url: URL, request: AnnounceRequest, signal: AbortSignal): Promise<AnnounceReply> {
    const found = await this.#options.resolver.resolve(url.hostname);
    const target = found[0] as { address: string; family: 4 | 6 };
    const place = { ...target, port: Number(url.port), host: url.host, url };
    for (let attempt = 0; attempt < UDP_TRIES; attempt++) {
      const wait = UDP_FIRST_WAIT_MILLISECONDS * 2 ** attempt;
      const id = await this.#connect(place, wait, signal);
      if (id !== null) await request.sending?.();
      const reply =
        id === null
          ? null
          : await this.#ask(place, (transaction) => announcePacket(id, transaction, url, request), wait, signal);
      if (reply !== null) return parseUdpReply(reply, place);
      this.#connections.delete(`${place.address} ${place.port}`);
    }
    throw new TrackerError('unreachable', `${url.host} does not answer`);
  }

  close(): void {
    this.#closed = true;
    this.#drop();
  }

  /** Connection ids are good for the address that they were given to (BEP 15). */
  #drop(): void {
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
    this.#connections.clear();
  }

  async #connect(place: Place, waitMilliseconds: number, signal: AbortSignal): Promise<Buffer | null> {
    const name = `${place.address} ${place.port}`;
    const known = this.#connections.get(name);
    if (known !== undefined && known.until > this.#options.clock.monotonic()) return known.id;
    const reply = await this.#ask(place, connectPacket, waitMilliseconds, signal);
    if (reply === null) return null;
    if (reply.readUInt32BE(0) === ACTION.error) throw refusal(reply, place);
    if (reply.readUInt32BE(0) !== ACTION.connect || reply.length < 16) throw malformed(place);
    const id = Buffer.from(reply.subarray(8, 16));
    this.#connections.delete(name);
    this.#connections.set(name, { id, until: this.#options.clock.monotonic() + UDP_CONNECTION_MILLISECONDS });
    if (this.#connections.size > CONNECTIONS_KEPT)
      this.#connections.delete(this.#connections.keys().next().value as string);
    return id;
  }

  /** One request and the reply with its transaction id from the same address; null when none came in time. */
  #ask(place: Place, packet: (transaction: number) => Buffer, waitMilliseconds: number, signal: AbortSignal) {
    return new Promise<Buffer | null>((resolve, reject) => {
      const transaction = this.#options.random.int(2 ** 32);
      const socket = this.#socket(place.family);
      const end = (settle: () => void) => {
        timer.cancel();
        signal.removeEventListener('abort', aborted);
        this.#waiting.delete(transaction);
        settle();
      };
      const aborted = () => end(() => reject(new TrackerError('unreachable', `${place.host} did not answer in time`)));
      const timer = this.#options.clock.after(waitMilliseconds, () => end(() => resolve(null)));
      this.#waiting.set(transaction, {
        address: place.address,
        port: place.port,
        answer: (reply) => end(() => resolve(reply)),
      });
      if (signal.aborted) aborted();
      else {
        signal.addEventListener('abort', aborted);
        socket.send(packet(transaction), place.port, place.address, (error) => {
          if (error !== null) end(() => reject(new TrackerError('unreachable', `${place.host} cannot be reached`)));
        });
      }
    });
  }

  #socket(family: 4 | 6): Socket {
    const localAddress = this.#options.source?.localAddress(family);
    if (localAddress === null) throw new TrackerError('unreachable', 'the network that bae is bound to is not there');
    const open = this.#sockets.get(family);
    if (open !== undefined) return open;
    if (this.#closed) throw new TrackerError('unreachable', 'bae is stopping');
    const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
    socket.unref();
    socket.on('message', (packet, from) => this.#received(packet, from));
    socket.on('error', () => {
      // The socket is of no use any more; requests on it run into their time, the next one opens another.
      if (this.#sockets.get(family) !== socket) return;
      this.#sockets.delete(family);
      socket.close();
    });
    if (localAddress !== undefined) socket.bind({ address: localAddress });
    this.#sockets.set(family, socket);
    return socket;
  }

  #received(packet: Buffer, from: RemoteInfo): void {
    if (packet.length < 8) return;
    const waiting = this.#waiting.get(packet.readUInt32BE(4));
    if (waiting === undefined || waiting.port !== from.port || waiting.address !== from.address) return;
    waiting.answer(packet);
  }
}

interface Place {
  readonly address: string;
  readonly family: 4 | 6;
  readonly port: number;
  /** Host and port for a person. */
  readonly host: string;
  readonly url: URL;
}

function connectPacket(transaction: number): Buffer {
  const packet = Buffer.alloc(16);
  packet.writeBigUInt64BE(PROTOCOL_ID, 0);
  packet.writeUInt32BE(ACTION.connect, 8);
  packet.writeUInt32BE(transaction, 12);
  return packet;
}

function announcePacket(connection: Buffer, transaction: number, url: URL, request: AnnounceRequest): Buffer {
  const packet = Buffer.alloc(98);
  connection.copy(packet, 0);
  packet.writeUInt32BE(ACTION.announce, 8);
  packet.writeUInt32BE(transaction, 12);
  request.infoHash.copy(packet, 16);
  request.peerId.copy(packet, 36);
  packet.writeBigUInt64BE(BigInt(request.downloaded), 56);
  packet.writeBigUInt64BE(BigInt(request.left), 64);
  packet.writeBigUInt64BE(BigInt(request.uploaded), 72);
  packet.writeUInt32BE(request.event === null ? 0 : (EVENT[request.event] as number), 80);
  packet.writeUInt32BE(request.key >>> 0, 88);
  packet.writeInt32BE(request.event === 'stopped' ? 0 : request.wanted, 92);
  packet.writeUInt16BE(request.port, 96);
  return Buffer.concat([packet, urlData(`${url.pathname}${url.search}`)]);
}

/** BEP 41: the URL's path and query, so that one host can serve several trackers. */
function urlData(path: string): Buffer {
  const bytes = Buffer.from(path === '/' ? '' : path, 'latin1');
  const options: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += URL_DATA_BYTES) {
    const part = bytes.subarray(at, at + URL_DATA_BYTES);
    options.push(Buffer.from([2, part.length]), part);
  }
  return Buffer.concat(options);
}

/** Reads the answer to an announce (BEP 15), of 8 bytes at least, from a tracker at `place`. @throws TrackerError */
export function parseUdpReply(reply: Buffer, place: Place): AnnounceReply {
  const action = reply.readUInt32BE(0);
  if (action === ACTION.error) throw refusal(reply, place);
  if (action !== ACTION.announce || reply.length < 20) throw malformed(place);
  const size = place.family === 4 ? 6 : 18;
  const whole = Math.floor((reply.length - 20) / size) * size;
  const peers = (place.family === 4 ? decodeCompactPeers4 : decodeCompactPeers6)(reply.subarray(20, 20 + whole));
  return {
    intervalSeconds: reply.readUInt32BE(8),
    minIntervalSeconds: null,
    leechers: reply.readUInt32BE(12),
    seeders: reply.readUInt32BE(16),
    peers: peers.slice(0, PEERS_PER_REPLY),
    warning: null,
    trackerId: null,
  };
}

const refusal = (reply: Buffer, place: Place) =>
  new TrackerError('refused', trackerWords(reply.toString('utf8', 8), [place.url]) || `${place.host} refuses`);

const malformed = (place: Place) => new TrackerError('unreachable', `the reply of ${place.host} is malformed`);
