import { OpenAPIHono } from '@hono/zod-openapi';
import type { Log } from '../lib/log.ts';
import { apiRoutes } from './api/routes.ts';
import { type Guard, guardTcp } from './auth.ts';
import { answerError } from './errors.ts';
import type { Application } from './ports.ts';

export interface HttpOptions {
  readonly application: Application;
  readonly version: string;
  readonly log: Log;
  /** Null for the Unix socket, whose file mode is the sign-in. */
  readonly guard: Guard | null;
}

/** The whole HTTP surface for one kind of caller; a fetch handler, testable without a socket. */
export function createHttp(options: HttpOptions): OpenAPIHono {
  const app = new OpenAPIHono();
  app.onError((error, context) => answerError(error, context, options.log));
  app.notFound((context) => context.json({ error: { kind: 'not-found', message: 'There is nothing here.' } }, 404));
  app.use(async (context, next) => {
    await next();
    context.header('X-Content-Type-Options', 'nosniff');
    context.header('Cache-Control', 'no-store');
    context.header('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'");
  });
  if (options.guard !== null) app.use(guardTcp(options.guard));
  app.get('/livez', (context) => context.text('ok'));
  app.get('/readyz', async (context) => {
    const parts = await options.application.ready();
    const ready = Object.values(parts).every((fault) => fault === null);
    const words = Object.entries(parts).map(([part, fault]) => `${part}: ${fault ?? 'ok'}`);
    return context.text(words.join('\n'), ready ? 200 : 503);
  });
  app.route('/api/v1', apiRoutes(options.application, options.version));
  return app;
}
