import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { SOCKET_NAME } from '../config.ts';
import { BaeError, type ErrorKind } from '../lib/errors.ts';

/** A reply of the API is never larger than this many bytes. */
const REPLY_BYTES = 256 * 1024 * 1024;
const REPLY_MILLISECONDS = 60_000;

/** No server answers at the socket or URL. Exit code 5. */
export class NoServerError extends Error {}

export interface Client {
  get<T>(path: string): Promise<T>;
  post<T>(path: string, body?: unknown): Promise<T>;
  patch<T>(path: string, body: unknown): Promise<T>;
}

export interface ClientOptions {
  /** BAE_URL; null speaks to the socket in the data folder. */
  readonly url: string | null;
  readonly token: string | null;
  readonly data: string;
}

/** Speaks to a running bae: over the Unix socket in the data folder, or to BAE_URL with BAE_TOKEN. */
export function createClient(options: ClientOptions): Client {
  const socketPath = join(options.data, SOCKET_NAME);
  const call = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const reply = await send(options, socketPath, method, path, body);
    const text = await readAll(reply);
    const status = reply.statusCode ?? 0;
    if (status >= 200 && status < 300) return (text === '' ? null : JSON.parse(text)) as T;
    throw failure(status, text);
  };
  return {
    get: (path) => call('GET', path),
    post: (path, body) => call('POST', path, body),
    patch: (path, body) => call('PATCH', path, body),
  };
}

function send(options: ClientOptions, socketPath: string, method: string, path: string, body: unknown) {
  const payload = body === undefined ? null : Buffer.from(JSON.stringify(body));
  const headers: Record<string, string | number> = {};
  if (payload !== null) {
    headers['content-type'] = 'application/json';
    headers['content-length'] = payload.length;
  }
  if (options.token !== null) headers.authorization = `Bearer ${options.token}`;
  const base = options.url === null ? null : new URL(options.url);
  const full = `${base === null ? '' : base.pathname.replace(/\/$/, '')}/api/v1${path}`;
  const where: RequestOptions =
    base === null
      ? { socketPath, headers: { ...headers, host: 'localhost' } }
      : { hostname: base.hostname.replace(/^\[|\]$/g, ''), port: base.port, headers };
  const request = base?.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise<IncomingMessage>((resolve, reject) => {
    // No agent: a connection that is kept would keep the process, and a stopping server, waiting.
    const sent = request({ ...where, agent: false, method, path: full, timeout: REPLY_MILLISECONDS }, resolve);
    sent.on('timeout', () => sent.destroy(new Error('no answer')));
    sent.on('error', () =>
      reject(
        new NoServerError(
          base === null
            ? `No bae server is running for ${options.data}: start one with "bae serve".`
            : `No bae server answers at ${base.origin}: start one with "bae serve", or check BAE_URL.`,
        ),
      ),
    );
    sent.end(payload ?? undefined);
  });
}

async function readAll(reply: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const part of reply) {
      bytes += (part as Buffer).length;
      if (bytes > REPLY_BYTES) throw new BaeError('failed', 'The reply of the server is too large.');
      parts.push(part as Buffer);
    }
  } catch (cause) {
    // The server says so when it fails in the middle of a long answer; its log says why.
    if (reply.complete || cause instanceof BaeError) throw cause;
    throw new BaeError('unavailable', 'The reply of the server broke off: try again, or see its log.', { cause });
  }
  return Buffer.concat(parts).toString('utf8');
}

function failure(status: number, text: string): BaeError {
  let body: { error?: { kind?: ErrorKind; message?: string } } = {};
  try {
    body = JSON.parse(text);
  } catch (cause) {
    return new BaeError('failed', `The server answered ${status} and no words; is BAE_URL right?`, { cause });
  }
  return new BaeError(body.error?.kind ?? 'failed', body.error?.message ?? `The server answered ${status}.`);
}
