import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { bodyLimit } from 'hono/body-limit';
import { BaeError } from '../../lib/errors.ts';
import type { Application } from '../ports.ts';
import { jsonArray } from './json-array.ts';
import {
  Failure,
  Import,
  LimitChanges,
  Limits,
  NewImport,
  Settings,
  SettingsChanges,
  Stats,
  TORRENT_BASE64_CHARACTERS,
  Torrent,
  TorrentDetail,
} from './schemas.ts';

/** A request's body: the largest torrent in base64 and a little around it. */
const BODY_BYTES = TORRENT_BASE64_CHARACTERS + 65_536;
/** Of what is wrong with a request so much is told. */
const PROBLEM_CHARACTERS = 300;

const json = <S extends z.ZodType>(schema: S, description: string) => ({
  content: { 'application/json': { schema } },
  description,
});
const failures = { default: json(Failure, 'What went wrong, in one sentence') };
const params = z.object({ id: z.string().max(32) });

/** `/api/v1`, described for the OpenAPI document as it is served. */
export function apiRoutes(application: Application, version: string) {
  const api = new OpenAPIHono({
    defaultHook: (result) => {
      if (result.success) return;
      const issue = result.error.issues[0];
      // It may repeat a key of the request, which may be as long as a body.
      const problem = issue?.message.slice(0, PROBLEM_CHARACTERS);
      throw new BaeError('bad-input', `The request's ${issue?.path.join('.') || 'body'} is wrong: ${problem}.`);
    },
  });
  api.use(bodyLimit({ maxSize: BODY_BYTES }));
  const routed = settingsRoutes(torrentRoutes(importRoutes(api, application), application), application)
    .openapi(
      createRoute({ method: 'get', path: '/stats', responses: { 200: json(Stats, 'Numbers now'), ...failures } }),
      async (context) => context.json(await application.stats(), 200),
    )
    .openapi(
      createRoute({ method: 'post', path: '/stop', responses: { 202: { description: 'Stopping' }, ...failures } }),
      (context) => {
        application.stop();
        return context.body(null, 202);
      },
    );
  routed.doc31('/openapi.json', { openapi: '3.1.0', info: { title: 'bae', version }, servers: [{ url: '/api/v1' }] });
  return routed;
}

function settingsRoutes<A extends OpenAPIHono>(api: A, application: Application) {
  return api
    .openapi(
      createRoute({ method: 'get', path: '/settings', responses: { 200: json(Settings, 'As they are'), ...failures } }),
      async (context) => context.json(application.settings(), 200),
    )
    .openapi(
      createRoute({
        method: 'patch',
        path: '/settings',
        request: { body: { ...json(SettingsChanges, 'Limits over all; 0 for none'), required: true } },
        responses: { 200: json(Settings, 'As they are now'), ...failures },
      }),
      async (context) => context.json(await application.setSettings(context.req.valid('json')), 200),
    );
}

/** Limits of the torrent that an import brings, or of torrents. */
const limitsRoute = (path: '/imports/{id}' | '/torrents/{id}') =>
  createRoute({
    method: 'patch',
    path,
    request: { params, body: { ...json(LimitChanges, 'Rate limits; 0 for none'), required: true } },
    responses: { 200: json(z.array(Limits).readonly(), 'Of the torrents it acted on'), ...failures },
  });

function importRoutes(api: OpenAPIHono, application: Application) {
  const one = { 200: json(Import, 'The import'), ...failures };
  return api
    .openapi(
      createRoute({
        method: 'post',
        path: '/imports',
        request: { body: { ...json(NewImport, 'What to import'), required: true } },
        responses: { 201: json(Import, 'The import, new or already running'), ...failures },
      }),
      async (context) => {
        const { torrent, magnet, peers, asIs } = context.req.valid('json');
        const source =
          torrent === undefined ? { magnet: magnet as string } : { torrent: Buffer.from(torrent, 'base64') };
        return context.json(await application.addImport({ source, peers, asIs }), 201);
      },
    )
    .openapi(
      createRoute({
        method: 'get',
        path: '/imports',
        responses: { 200: json(z.array(Import).readonly(), 'All imports, newest first'), ...failures },
      }),
      async (context) => context.json(await application.imports(), 200),
    )
    .openapi(
      createRoute({ method: 'get', path: '/imports/{id}', request: { params }, responses: one }),
      async (context) => context.json(await application.import(context.req.valid('param').id), 200),
    )
    .openapi(limitsRoute('/imports/{id}'), async (context) =>
      context.json(await application.setLimits(context.req.valid('param').id, context.req.valid('json')), 200),
    )
    .openapi(
      createRoute({ method: 'post', path: '/imports/{id}/cancel', request: { params }, responses: one }),
      async (context) => context.json(await application.cancelImport(context.req.valid('param').id), 200),
    )
    .openapi(
      createRoute({ method: 'post', path: '/imports/{id}/retry', request: { params }, responses: one }),
      async (context) => context.json(await application.retryImport(context.req.valid('param').id), 200),
    );
}

function torrentRoutes<A extends ReturnType<typeof importRoutes>>(api: A, application: Application) {
  const many = { 200: json(z.array(Torrent).readonly(), 'The torrents it acted on'), ...failures };
  const act = (path: string, call: (id: string) => Promise<readonly z.input<typeof Torrent>[]>) =>
    [
      createRoute({ method: 'post', path: `/torrents/{id}/${path}`, request: { params }, responses: many }),
      call,
    ] as const;
  const [start, startSeeding] = act('seeding/start', (id) => application.setSeeding(id, true));
  const [stop, stopSeeding] = act('seeding/stop', (id) => application.setSeeding(id, false));
  const [pin, pinChunks] = act('pin', (id) => application.setPinned(id, true));
  const [unpin, unpinChunks] = act('unpin', (id) => application.setPinned(id, false));
  api.openAPIRegistry.registerPath(
    createRoute({
      method: 'get',
      path: '/torrents',
      responses: { 200: json(z.array(Torrent).readonly(), 'All torrents'), ...failures },
    }),
  );
  api.get('/torrents', async (context) =>
    context.body(await jsonArray(application.torrents()), 200, { 'content-type': 'application/json' }),
  );
  return api
    .openapi(
      createRoute({
        method: 'get',
        path: '/torrents/{id}',
        request: { params },
        responses: { 200: json(TorrentDetail, 'By a torrent or release id'), ...failures },
      }),
      async (context) => context.json(await application.torrent(context.req.valid('param').id), 200),
    )
    .openapi(limitsRoute('/torrents/{id}'), async (context) =>
      context.json(await application.setLimits(context.req.valid('param').id, context.req.valid('json')), 200),
    )
    .openapi(start, async (context) => context.json(await startSeeding(context.req.valid('param').id), 200))
    .openapi(stop, async (context) => context.json(await stopSeeding(context.req.valid('param').id), 200))
    .openapi(pin, async (context) => context.json(await pinChunks(context.req.valid('param').id), 200))
    .openapi(unpin, async (context) => context.json(await unpinChunks(context.req.valid('param').id), 200));
}
