import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { callSocket } from '../../test/parts/bae.ts';
import { BaeError } from '../lib/errors.ts';
import { silentLog } from '../lib/log.ts';
import { createHttp, listenSocket, listenTcp } from './index.ts';
import type { Application, ImportView, NewImport, TorrentView } from './ports.ts';

const TOKEN = 'a-token-for-the-tests';
const view: ImportView = {
  id: 'i1',
  name: null,
  infoHash: 'ab'.repeat(20),
  state: 'queued',
  identification: 'waiting',
  progress: 0,
  error: null,
  retryable: false,
  torrentId: null,
};

/** An application of which a test gives only what it calls; anything else fails the request. */
function surface(given: Partial<Application>, token: string | null = TOKEN) {
  const application = new Proxy(given as Application, {
    get: (target, name) => Reflect.get(target, name) ?? (() => Promise.reject(new Error(`${String(name)} was called`))),
  });
  const common = { application, version: '0', log: silentLog };
  return {
    tcp: createHttp({ ...common, guard: { token, hosts: [] } }),
    socket: createHttp({ ...common, guard: null }),
  };
}

const headers = (more: Record<string, string> = {}) => ({
  host: '127.0.0.1:4533',
  authorization: `Bearer ${TOKEN}`,
  ...more,
});

describe('over TCP', () => {
  const { tcp } = surface({ imports: async () => [], ready: async () => ({ store: null }) });
  const status = async (path: string, given: Record<string, string>) =>
    (await tcp.request(path, { headers: given })).status;

  test('the bearer token opens, nothing else does', async () => {
    expect(await status('/api/v1/imports', headers())).toBe(200);
    for (const authorization of ['', 'Bearer', `Basic ${TOKEN}`, 'Bearer a-token-for-the-test', `Bearer ${TOKEN}x`]) {
      expect(await status('/api/v1/imports', headers({ authorization }))).toBe(401);
    }
    expect(await status('/api/v1/openapi.json', { host: 'localhost' })).toBe(401);
  });

  test('with no token set, no token opens', async () => {
    const closed = surface({ imports: async () => [] }, null).tcp;
    const reply = await closed.request('/api/v1/imports', { headers: headers({ authorization: 'Bearer null' }) });
    expect(reply.status).toBe(401);
  });

  test('health needs no token, and still a known Host', async () => {
    expect(await status('/livez', { host: 'localhost:1' })).toBe(200);
    expect(await status('/readyz', { host: '[::1]:1' })).toBe(200);
    expect(await status('/livez', { host: 'evil.example' })).toBe(403);
  });

  test('a rebound Host, a foreign Origin and a cross-site fetch are refused with the right token', async () => {
    for (const host of ['evil.example', 'evil.example:4533', '127.0.0.1.evil.example', 'localhost@evil', '']) {
      expect(await status('/api/v1/imports', headers({ host }))).toBe(403);
    }
    for (const origin of ['https://evil.example', 'null', 'http://127.0.0.1.evil.example']) {
      expect(await status('/api/v1/imports', headers({ origin }))).toBe(403);
    }
    expect(await status('/api/v1/imports', headers({ origin: 'http://127.0.0.1:4533' }))).toBe(200);
    expect(await status('/api/v1/imports', headers({ 'sec-fetch-site': 'cross-site' }))).toBe(403);
  });
});

describe('the API', () => {
  const post = (app: ReturnType<typeof createHttp>, body: unknown) =>
    app.request('/api/v1/imports', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });

  test('an import arrives with the bytes and peers that were sent', async () => {
    const got: NewImport[] = [];
    const { socket } = surface({
      addImport: async (request) => {
        got.push(request);
        return view;
      },
    });
    const peers = [{ host: '127.0.0.1', port: 6881 }];
    const reply = await post(socket, { torrent: Buffer.from('d4:infodee').toString('base64'), peers });
    expect(reply.status).toBe(201);
    expect(await reply.json()).toEqual(view);
    expect(got).toEqual([{ source: { torrent: Buffer.from('d4:infodee') }, peers, asIs: false }]);
  });

  test('wrong bodies get 400 and one sentence', async () => {
    const { socket } = surface({});
    const both = { torrent: 'AAAA', magnet: 'magnet:?xt=1' };
    for (const body of [{}, both, { torrent: '%' }, { magnet: 'http://x' }, { magnet: 'magnet:?a', extra: 1 }]) {
      const reply = await post(socket, body);
      expect(reply.status).toBe(400);
      expect(await reply.json()).toMatchObject({ error: { kind: 'bad-input', message: expect.any(String) } });
    }
    const peers = Array.from({ length: 51 }, () => ({ host: '127.0.0.1', port: 1 }));
    expect((await post(socket, { magnet: 'magnet:?a', peers })).status).toBe(400);
  });

  test('rate limits are whole numbers of bytes, by their names alone', async () => {
    const got: unknown[] = [];
    const { socket } = surface({
      setLimits: async (id, limits) => {
        got.push([id, limits]);
        return [];
      },
    });
    const patch = (body: unknown) =>
      socket.request('/api/v1/torrents/t1', {
        method: 'PATCH',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    expect((await patch({ uploadBytesPerSecond: 0 })).status).toBe(200);
    expect((await patch({ uploadBytesPerSecond: 5, downloadBytesPerSecond: 2 ** 40 })).status).toBe(200);
    for (const wrong of [-1, 0.5, '5', null, 1e300, 2 ** 53]) {
      expect((await patch({ uploadBytesPerSecond: wrong })).status).toBe(400);
    }
    expect((await patch({ upload: 1 })).status).toBe(400);
    expect(got).toEqual([
      ['t1', { uploadBytesPerSecond: 0 }],
      ['t1', { uploadBytesPerSecond: 5, downloadBytesPerSecond: 2 ** 40 }],
    ]);
  });

  test('limits over all are read, and set by their names alone', async () => {
    const limits = { uploadBytesPerSecond: 5, downloadBytesPerSecond: 0, peerUploadBytesPerSecond: 0 };
    const view = { ...limits, egressBytesPerDay: 7, fixed: { uploadBytesPerSecond: '--upload-bytes-per-second' } };
    const got: unknown[] = [];
    const { socket } = surface({
      settings: () => view,
      setSettings: async (changes) => {
        got.push(changes);
        return view;
      },
    });
    const patch = (body: unknown) =>
      socket.request('/api/v1/settings', {
        method: 'PATCH',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    expect(await (await socket.request('/api/v1/settings')).json()).toEqual(view);
    expect(await (await patch({ egressBytesPerDay: 2 ** 40 })).json()).toEqual(view);
    for (const wrong of [{ egressBytesPerDay: -1 }, { upload: 1 }, { fixed: {} }, []]) {
      expect((await patch(wrong)).status).toBe(400);
    }
    expect(got).toEqual([{ egressBytesPerDay: 2 ** 40 }]);
  });

  test('a body over the limit is refused', async () => {
    const reply = await post(surface({}).socket, { torrent: 'A'.repeat(15 * 1024 * 1024) });
    expect(reply.status).toBe(413);
  });

  test('errors keep their kind, and what is not ours keeps its details to itself', async () => {
    const { socket } = surface({
      import: async () => {
        throw new BaeError('not-found', 'There is no import i9.');
      },
      stats: async () => {
        throw new Error('secret detail');
      },
    });
    expect((await socket.request('/api/v1/imports/i9')).status).toBe(404);
    const broken = await socket.request('/api/v1/stats');
    expect(broken.status).toBe(500);
    expect(await broken.text()).not.toContain('secret');
  });

  test('the OpenAPI document names every route', async () => {
    const reply = await surface({}).socket.request('/api/v1/openapi.json');
    const document = (await reply.json()) as { paths: Record<string, unknown> };
    expect(Object.keys(document.paths).sort()).toEqual([
      '/imports',
      '/imports/{id}',
      '/imports/{id}/cancel',
      '/imports/{id}/retry',
      '/settings',
      '/stats',
      '/stop',
      '/torrents',
      '/torrents/{id}',
      '/torrents/{id}/pin',
      '/torrents/{id}/seeding/start',
      '/torrents/{id}/seeding/stop',
      '/torrents/{id}/unpin',
    ]);
  });
});

describe('the list of torrents', () => {
  const torrent = (number: number) => ({ id: `t${number}`, name: `Müsli ${number}` }) as TorrentView;
  const listOf = (torrents: Application['torrents']) => surface({ torrents }).socket;

  test('is one JSON array, whatever pages it comes in', async () => {
    for (const pages of [[], [[torrent(1)]], [[torrent(1), torrent(2)], [torrent(3)]]]) {
      const reply = await listOf(async function* () {
        yield* pages;
      }).request('/api/v1/torrents');
      expect(reply.headers.get('content-type')).toBe('application/json');
      expect(await reply.text()).toBe(JSON.stringify(pages.flat()));
    }
  });

  test('is read as it is taken, and no further once nobody takes it', async () => {
    let pages = 0;
    let isOver = false;
    const reply = await listOf(async function* () {
      try {
        for (;;) yield [torrent(++pages)];
      } finally {
        isOver = true;
      }
    }).request('/api/v1/torrents');
    const reader = (reply.body as ReadableStream).getReader();
    for (let count = 0; count < 5; count++) await reader.read();
    expect(pages).toBe(6);
    await reader.cancel();
    expect([pages, isOver]).toEqual([6, true]);
  });

  test('that cannot be read is an error with its status; one that breaks off is no shorter list', async () => {
    const failing = (after: number) =>
      listOf(async function* () {
        for (let count = 0; count < after; count++) yield [torrent(count)];
        throw new BaeError('unavailable', 'The disk is gone.');
      });
    expect((await failing(0).request('/api/v1/torrents')).status).toBe(503);
    const folder = mkdtempSync(join(tmpdir(), 'bae-http-'));
    const path = join(folder, 'bae.sock');
    const listening = await listenSocket(failing(2), path);
    // The adapter of hono says there what a broken answer died of.
    const said = vi.spyOn(console, 'error').mockReturnValue();
    await expect(callSocket(path, 'GET', '/api/v1/torrents')).rejects.toThrow();
    expect(said).toHaveBeenCalledWith(expect.objectContaining({ message: 'The disk is gone.' }));
    said.mockRestore();
    await listening.close();
    rmSync(folder, { recursive: true });
  });
});

describe('listening', () => {
  const app = surface({ ready: async () => ({}) }).socket;

  test('the socket is for its owner alone, and too long a path is told', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'bae-http-'));
    const listening = await listenSocket(app, join(folder, 'bae.sock'));
    expect(statSync(join(folder, 'bae.sock')).mode & 0o777).toBe(0o600);
    await listening.close();
    await expect(listenSocket(app, join(folder, 'x'.repeat(100)))).rejects.toThrow('choose a shorter data folder');
    rmSync(folder, { recursive: true });
  });

  test('a port in use is refused in words', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((ready) => other.once('listening', ready));
    const { port } = other.address() as { port: number };
    await expect(listenTcp(app, '127.0.0.1', port)).rejects.toMatchObject({ kind: 'refused' });
    other.close();
  });
});
