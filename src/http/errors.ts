import type { Context } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { BaeError, type ErrorKind, errorKind, errorMessage } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';

/** Each kind of error has one status, here and nowhere else. */
const STATUS: Record<ErrorKind, ContentfulStatusCode> = {
  'bad-input': 400,
  'not-found': 404,
  refused: 409,
  cancelled: 409,
  unavailable: 503,
  corrupt: 500,
  missing: 500,
  failed: 500,
};

/** Answers any thrown value as `{error: {kind, message}}`; what is not a BaeError keeps its details in the log. */
export function answerError(error: unknown, context: Context, log: Log): Response {
  if (error instanceof HTTPException) {
    return context.json({ error: { kind: 'bad-input', message: error.message } }, error.status as ContentfulStatusCode);
  }
  const kind = errorKind(error);
  if (error instanceof BaeError) return context.json({ error: { kind, message: error.message } }, STATUS[kind]);
  log.error('a request failed', { path: context.req.path, error: errorMessage(error) });
  return context.json({ error: { kind, message: 'Something went wrong inside bae; its log says more.' } }, 500);
}
