import { createHash, timingSafeEqual } from 'node:crypto';
import type { Context, MiddlewareHandler } from 'hono';

export interface Guard {
  /** The bearer token that TCP callers must give; null refuses them all. */
  readonly token: string | null;
  /** Names that may stand in Host besides loopback's own. */
  readonly hosts: readonly string[];
}

const LOOPBACK_HOSTS = ['localhost', '127.0.0.1', '[::1]'];
const SAFE_SITES = ['same-origin', 'none'];

/**
 * For callers over TCP. An unknown Host is a rebound name, a foreign Origin is another page in the same browser: both are
 * refused before the token is looked at (OWASP: DNS rebinding, CSRF). Health needs no token.
 */
export function guardTcp(guard: Guard): MiddlewareHandler {
  return async (context, next) => {
    const host = hostName(context.req.header('host'));
    if (host === null || ![...LOOPBACK_HOSTS, ...guard.hosts].includes(host)) {
      return forbidden(context, 'This Host is not known here: use the address bae listens on.');
    }
    const origin = context.req.header('origin');
    if (origin !== undefined && hostName(origin.replace(/^https?:\/\//, '')) !== host) {
      return forbidden(context, 'Requests from other sites are refused.');
    }
    const site = context.req.header('sec-fetch-site');
    if (site !== undefined && !SAFE_SITES.includes(site)) {
      return forbidden(context, 'Requests from other sites are refused.');
    }
    const health = context.req.path === '/livez' || context.req.path === '/readyz';
    if (!health && !hasToken(context.req.header('authorization'), guard.token)) {
      context.header('WWW-Authenticate', 'Bearer realm="bae"');
      return context.json({ error: { kind: 'refused', message: 'A bearer token is needed: set BAE_TOKEN.' } }, 401);
    }
    return next();
  };
}

/** Not a conflict with how things stand, as other refusals: whatever changes here, this caller stays out (RFC 9110 §15.5.4). */
function forbidden(context: Context, message: string): Response {
  return context.json({ error: { kind: 'refused', message } }, 403);
}

/** The lower-case name or address of a Host header or URL authority, its port left out; null if malformed. */
function hostName(header: string | undefined): string | null {
  const match = header === undefined ? null : /^(\[[0-9a-f:.]+\]|[^:/[\]@]+)(?::\d+)?$/i.exec(header);
  return match === null ? null : (match[1] as string).toLowerCase();
}

/** Compares digests in constant time, so neither content nor length of the token shows in the time taken. */
function hasToken(header: string | undefined, token: string | null): boolean {
  const given = header === undefined ? null : /^Bearer (.+)$/i.exec(header);
  if (token === null || given === null) return false;
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given[1] as string), digest(token));
}
