import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { gunzipSync } from 'node:zlib';
import type { SourceAddress } from '../ports.ts';
import { CONNECTIONS_PER_HOST, REDIRECTS, REPLY_BYTES } from './limits.ts';
import { type AnnounceRequest, type Resolver, type TrackerClient, TrackerError } from './ports.ts';
import { parseReply } from './reply.ts';

const REDIRECT_STATUS = [301, 302, 303, 307, 308];

export interface HttpTrackerOptions {
  readonly resolver: Resolver;
  /** Ours, never another client's. */
  readonly userAgent: string;
  /** What of encryption is told: that peers may come encrypted, that they must, or nothing. */
  readonly encryption: 'prefer' | 'require' | 'off';
  /** Where announces must come from; absent: the system's choice. */
  readonly source?: SourceAddress;
}

class StaleConnectionError extends Error {}

/**
 * Announces over HTTP and HTTPS (BEP 3, 7, 23). Headers are Host, User-Agent, Accept-Encoding and Connection, no more:
 * trackers turn away what looks like a browser (Accept-Language, Cookie). Accept-Encoding stays, since a list of hundreds
 * of peers is sent for every announce and other clients ask for gzip too.
 */
export class HttpTracker implements TrackerClient {
  readonly #options: HttpTrackerOptions;
  readonly #agents: { 'http:': HttpAgent; 'https:': HttpsAgent };

  constructor(options: HttpTrackerOptions) {
    this.#options = options;
    const agent = { keepAlive: true, maxSockets: CONNECTIONS_PER_HOST, maxFreeSockets: CONNECTIONS_PER_HOST };
    this.#agents = { 'http:': new HttpAgent(agent), 'https:': new HttpsAgent(agent) };
    options.source?.onChange(() => this.close());
  }

  async announce(tracker: URL, request: AnnounceRequest, signal: AbortSignal) {
    let url = new URL(announceUrl(tracker, request, this.#options.encryption));
    const urls = [tracker];
    for (let hop = 0; hop <= REDIRECTS; hop++) {
      const reply = await this.#get(url, request, signal);
      const status = reply.statusCode ?? 0;
      if (!REDIRECT_STATUS.includes(status)) return parseReply(await this.#body(reply, url, signal), urls, status);
      reply.resume();
      url = redirected(url, reply.headers.location);
      urls.push(url);
    }
    throw new TrackerError('unreachable', `${tracker.host} redirects more than ${REDIRECTS} times`);
  }

  /** Ends all connections. */
  close(): void {
    this.#agents['http:'].destroy();
    this.#agents['https:'].destroy();
  }

  async #get(url: URL, { event, sending }: AnnounceRequest, signal: AbortSignal): Promise<IncomingMessage> {
    for (let tries = 0; ; tries++) {
      try {
        return await this.#getOnce(url, signal, sending);
      } catch (error) {
        if (!(error instanceof StaleConnectionError)) throw unreachable(url, error);
        // A kept connection that the tracker closed just when it was used again has hardly brought the request there; if it
        // has, only `completed` would count twice.
        if (tries === CONNECTIONS_PER_HOST || event === 'completed') throw unreachable(url, error.cause);
      }
    }
  }

  async #getOnce(url: URL, signal: AbortSignal, sending?: () => Promise<void>): Promise<IncomingMessage> {
    const from = await this.#from(url.hostname);
    const secure = url.protocol === 'https:';
    const options = {
      agent: secure ? this.#agents['https:'] : this.#agents['http:'],
      lookup: this.#options.resolver.lookup,
      ...from,
      headers: { 'User-Agent': this.#options.userAgent, 'Accept-Encoding': 'gzip' },
      signal,
    };
    return new Promise((resolve, reject) => {
      const sent = (secure ? httpsRequest : httpRequest)(url, options, resolve);
      sent.on('error', (error: NodeJS.ErrnoException) => {
        const isStale = sent.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
        reject(isStale ? new StaleConnectionError('a kept connection was closed', { cause: error }) : error);
      });
      // A switch to another protocol (status 101) ends it with neither a response nor an error.
      sent.on('close', () => reject(new Error('the connection was closed without a reply')));
      if (sending === undefined) sent.end();
      else {
        // Nothing of a request leaves before its end.
        whenConnected(sent, secure, () =>
          sending().then(
            () => sent.end(),
            (error: Error) => sent.destroy(error),
          ),
        );
      }
    });
  }

  /** Where the connection must come from. A literal address never reaches `lookup`, so it is judged here. */
  async #from(host: string): Promise<{ family?: number; localAddress?: string }> {
    const { source, resolver } = this.#options;
    const isLiteral = /^[\d.]+$|^\[/.test(host);
    if (source === undefined && !isLiteral) return {};
    const [found] = await resolver.resolve(host);
    if (source === undefined || found === undefined) return {};
    const localAddress = source.localAddress(found.family);
    if (localAddress === null) throw new TrackerError('unreachable', 'the network that bae is bound to is not there');
    return { family: found.family, localAddress };
  }

  async #body(reply: IncomingMessage, url: URL, signal: AbortSignal): Promise<Buffer> {
    const parts: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const part of reply) {
        bytes += (part as Buffer).length;
        if (bytes > REPLY_BYTES) throw new TrackerError('unreachable', `the reply of ${url.host} is over 1 MiB`);
        parts.push(part as Buffer);
      }
      const body = Buffer.concat(parts);
      if (reply.headers['content-encoding'] !== 'gzip') return body;
      return gunzipSync(body, { maxOutputLength: REPLY_BYTES });
    } catch (error) {
      reply.destroy();
      throw signal.aborted ? unreachable(url, signal.reason) : unreachable(url, error);
    }
  }
}

/** Calls when the tracker is there: over HTTPS, when its certificate was accepted. */
function whenConnected(request: ClientRequest, secure: boolean, connected: () => void): void {
  request.once('socket', (socket) => {
    const isReady = secure ? (socket as TLSSocket).getFinished() !== undefined : !socket.connecting;
    if (isReady) connected();
    else socket.once(secure ? 'secureConnect' : 'connect', connected);
  });
}

/**
 * The URL of an announce. The tracker's own path and query stay as they are (they hold the passkey); bytes are escaped
 * one by one, as BEP 3 asks, since URLSearchParams would make UTF-8 of them. `supportcrypto` and `requirecrypto` have no
 * BEP; libtorrent and Transmission send them so.
 */
export function announceUrl(
  tracker: URL,
  request: AnnounceRequest,
  encryption: HttpTrackerOptions['encryption'],
): string {
  const fields: [string, string | number | null][] = [
    ['info_hash', escapeBytes(request.infoHash)],
    ['peer_id', escapeBytes(request.peerId)],
    ['port', request.port],
    ['uploaded', request.uploaded],
    ['downloaded', request.downloaded],
    ['left', request.left],
    ['corrupt', 0],
    ['key', request.key.toString(16).padStart(8, '0').toUpperCase()],
    ['event', request.event],
    ['numwant', request.event === 'stopped' ? 0 : request.wanted],
    ['compact', 1],
    ['no_peer_id', 1],
    ['supportcrypto', encryption === 'off' ? null : 1],
    ['requirecrypto', encryption === 'require' ? 1 : null],
    ['trackerid', request.trackerId === null ? null : escapeBytes(request.trackerId)],
  ];
  const query = fields.filter(([, value]) => value !== null).map(([name, value]) => `${name}=${value}`);
  const plain = new URL(tracker);
  plain.hash = '';
  const text = plain.toString();
  const joint = !text.includes('?') ? '?' : /[?&]$/.test(text) ? '' : '&';
  return `${text}${joint}${query.join('&')}`;
}

function escapeBytes(bytes: Buffer): string {
  let text = '';
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    text += /[A-Za-z0-9.~_-]/.test(character) ? character : `%${byte.toString(16).padStart(2, '0').toUpperCase()}`;
  }
  return text;
}

function redirected(from: URL, location: string | undefined): URL {
  const to = location === undefined ? null : URL.parse(location, from.href);
  if (to === null || !['http:', 'https:'].includes(to.protocol)) {
    throw new TrackerError('unreachable', `${from.host} redirects to nowhere`);
  }
  if (from.protocol === 'https:' && to.protocol === 'http:') {
    throw new TrackerError('unreachable', `${from.host} redirects from https to http`);
  }
  return to;
}

/** Any fault as one sentence with the host and a code, never the URL. */
function unreachable(url: URL, error: unknown): TrackerError {
  if (error instanceof TrackerError) return error;
  const cause = error as { name?: string; code?: string };
  if (cause.name === 'AbortError' || cause.name === 'TimeoutError') {
    return new TrackerError('unreachable', `${url.host} did not answer in time`);
  }
  const code = cause.code ?? 'broken reply';
  if (isOfCertificate(code)) {
    return new TrackerError('unreachable', `${url.host} shows a certificate that cannot be trusted (${code})`);
  }
  return new TrackerError('unreachable', `${url.host} cannot be reached (${code})`);
}

/** Codes of Node.js (`tls`, X509 certificate error codes) for a certificate that is not what it must be. */
function isOfCertificate(code: string): boolean {
  return /^(ERR_TLS_CERT|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_(GET|VERIFY|DECRYPT|DECODE)|HOSTNAME_MISMATCH|INVALID_CA)/.test(
    code,
  );
}
