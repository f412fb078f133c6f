// What goes wrong around bae: one clear sentence each, a documented exit code, nothing lost.

import { copyFile, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer, request } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { basename } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Bae,
  type CliResult,
  filesUnder,
  gatewayStore,
  type ImportView,
  runBae,
  showLogsOnFailure,
  startBae,
} from '../parts/bae.ts';
import { type Gateway, startGateway } from '../parts/gateway.ts';
import { freePorts, temporaryFolder } from '../parts/process.ts';
import { bencode } from '../parts/torrent.ts';

const MIB = 1024 * 1024;
const TOKEN = 'a-token-of-the-tests-0123456789';
/** One line for a person: no stack, no file of the program. */
const SENTENCE = /^bae: [^\n]+[.?]\n$/;
const TRACE = /^\s+at |node:internal|\.ts:\d/m;

showLogsOnFailure();

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let gateway: Gateway;
let bae: Bae;
let folders = 0;

beforeAll(async () => {
  [folder, gateway] = await Promise.all([temporaryFolder('bad'), startGateway()]);
  bae = await startBae({ store: `file:${folder.path}/store`, env: { BAE_TOKEN: TOKEN } });
});
afterAll(async () => {
  await Promise.all([bae?.remove(), gateway?.stop()]);
  await folder?.remove();
});

function expectSentence(result: CliResult, code: number, words: RegExp): void {
  expect([result.code, result.stderr]).toEqual([code, expect.stringMatching(SENTENCE)]);
  expect(result.stderr).toMatch(words);
  expect(result.stderr).not.toMatch(TRACE);
}

/** Environment of a server of its own, on free ports. */
async function settings(changed: Record<string, string>): Promise<Record<string, string>> {
  const [port, peerPort] = await freePorts(2);
  return {
    BAE_DATA: `${folder.path}/data-${++folders}`,
    BAE_STORE: `file:${folder.path}/store-${folders}`,
    BAE_LISTEN: `127.0.0.1:${port}`,
    BAE_PEER_ADDRESS: '127.0.0.1',
    BAE_PEER_PORT: String(peerPort),
    ...changed,
  };
}

/** The server refuses to start; its last line on standard error is the sentence. */
async function refusedStart(changed: Record<string, string>, code: number, words: RegExp): Promise<CliResult> {
  const result = await runBae(['serve'], await settings(changed));
  const last = `${result.stderr.trimEnd().split('\n').at(-1) ?? ''}\n`;
  expectSentence({ ...result, stderr: last }, code, words);
  expect(result.stderr).not.toMatch(TRACE);
  process.stderr.write(`${code} in ${result.milliseconds.toFixed(0)} ms: ${last}`);
  return result;
}

/** Listens on a free port of 127.0.0.1. */
async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

describe('commands', () => {
  it('that are wrong are usage (2)', async () => {
    for (const args of [['import'], ['fly'], ['seed', 'fly', 't1'], ['list', '--wrong'], ['list', 'x']]) {
      expectSentence(await bae.cli(...args), 2, /see "bae --help"/);
    }
  });

  it('about what is not there say so (3)', async () => {
    const unknown = [
      ['show', 't999'],
      ['show', 'x'],
      ['cancel', 'i999'],
      ['retry', 'i999'],
      ['seed', 'stop', 't999'],
    ];
    for (const args of [...unknown, ['seed', 'pin', 'r999']]) {
      const result = await bae.cli(...args);
      expectSentence(result, 3, /./);
    }
  });

  it('say that a folder cannot be imported yet (4)', async () => {
    expectSentence(await bae.cli('import', folder.path), 4, /folder/);
  });

  it('find no server (5)', async () => {
    const env = { BAE_DATA: `${folder.path}/nobody` };
    for (const args of [['list'], ['import', 'magnet:?xt=urn:btih:0'], ['stop']]) {
      expectSentence(await runBae(args, env), 5, /bae serve/);
    }
    const long = { BAE_DATA: `${folder.path}/${'long'.repeat(25)}` };
    expectSentence(await runBae(['list'], long), 7, /BAE_DATA/);
  });

  it('give errors as JSON with --json', async () => {
    const { code, stdout, stderr } = await bae.cli('show', 't999', '--json');
    expect([code, stdout]).toEqual([3, '']);
    expect(JSON.parse(stderr)).toMatchObject({ error: { kind: 'not-found', message: expect.stringMatching(/\.$/) } });
  });
});

describe('torrents and magnet links', () => {
  it('that are malformed are bad input (7)', async () => {
    const info = { name: 'x', 'piece length': 16_384, length: 100, pieces: Buffer.alloc(20) };
    const wrong: Record<string, Buffer> = {
      empty: Buffer.alloc(0),
      text: Buffer.from('this is no torrent'),
      cut: bencode({ info }).subarray(0, -3),
      'no info': bencode({ announce: 'http://127.0.0.1/announce' }),
      pieces: bencode({ info: { ...info, length: 100_000 } }),
      negative: bencode({ info: { ...info, length: -1 } }),
      'piece length': bencode({ info: { ...info, 'piece length': 0 } }),
      'a page': Buffer.from('<!DOCTYPE html><html>Please log in</html>'),
      large: Buffer.alloc(10 * MIB + 1, 'a'),
    };
    for (const [name, bytes] of Object.entries(wrong)) {
      const path = `${folder.path}/${name}.torrent`;
      await writeFile(path, bytes);
      const result = await bae.cli('import', path);
      expectSentence(result, 7, /./);
      process.stderr.write(`${name}: ${result.stderr}`);
    }
    expectSentence(await bae.cli('import', `${folder.path}/none.torrent`), 7, /none\.torrent/);
    expectSentence(await bae.cli('import', `${folder.path}/text.torrent`, '--peer', 'nonsense'), 7, /HOST:PORT/);
  });

  it('magnet links that name nothing are bad input (7)', async () => {
    for (const magnet of [
      'magnet:',
      'magnet:?dn=name',
      'magnet:?xt=urn:btih:xyz',
      `magnet:?xt=urn:sha1:${'a'.repeat(40)}`,
    ]) {
      const result = await bae.cli('import', magnet);
      expectSentence(result, 7, /./);
      process.stderr.write(`${magnet}: ${result.stderr}`);
    }
    expect(await bae.api<ImportView[]>('GET', '/imports')).toEqual([]);
  });
});

describe('the server does not start', () => {
  it('with a store that does not answer (6)', async () => {
    const [closed] = await freePorts(1);
    const store = `s3://bucket/x?endpoint=http://127.0.0.1:${closed}`;
    const keys = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' };
    await refusedStart({ BAE_STORE: store, ...keys }, 6, /127\.0\.0\.1/);
  });

  it('with a store that is something else (1)', async () => {
    const page = createHttpServer((_, reply) => reply.end('<html>Please log in</html>'));
    const port = await listening(page);
    const store = `s3://bucket/x?endpoint=http://127.0.0.1:${port}`;
    const keys = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' };
    await refusedStart({ BAE_STORE: store, ...keys }, 1, /something else.* is it the right store/);
    page.closeAllConnections();
    await new Promise((resolve) => page.close(resolve));
  });

  it('with wrong keys (4)', async () => {
    const { store, env } = gatewayStore(gateway, 'wrong-keys');
    await refusedStart({ BAE_STORE: store, ...env, AWS_SECRET_ACCESS_KEY: 'wrong' }, 4, /secret key is wrong/);
    await refusedStart({ BAE_STORE: store, ...env, AWS_ACCESS_KEY_ID: 'nobody' }, 4, /access key/);
    // Nothing was begun that the right keys would find in their way.
    const names = (await filesUnder(`${folder.path}/data-${folders}`)).map(({ path }) => basename(path));
    expect(names.filter((name) => !name.startsWith('bae.db'))).toEqual([]);
  });

  it('where a port is taken (4)', async () => {
    const taken = createServer();
    const port = await listening(taken);
    await refusedStart({ BAE_LISTEN: `127.0.0.1:${port}` }, 4, new RegExp(`${port}.*in use`));
    await refusedStart({ BAE_PEER_PORT: String(port) }, 4, new RegExp(`${port}.*in use`));
    await new Promise((resolve) => taken.close(resolve));
  });

  it('as a second writer (4)', async () => {
    await refusedStart({ BAE_DATA: bae.dataDir }, 4, /[Aa]nother bae/);
    // Another data folder with the same library and its key.
    const other = `${folder.path}/other`;
    await mkdir(other);
    await copyFile(`${bae.dataDir}/library.key`, `${other}/library.key`);
    await refusedStart({ BAE_DATA: other, BAE_STORE: `file:${folder.path}/store` }, 4, /[Aa]nother bae/);
    expect((await bae.cli('stats')).code).toBe(0);
  });

  it('with a library whose key it does not have', async () => {
    const before = (await filesUnder(`${folder.path}/store/k`)).map(({ bytes }) => bytes);
    const result = await runBae(['serve'], await settings({ BAE_STORE: `file:${folder.path}/store` }));
    expect([4, 7]).toContain(result.code);
    expect(result.stderr).toMatch(/key/);
    expect((await filesUnder(`${folder.path}/store/k`)).map(({ bytes }) => bytes)).toEqual(before);
  });

  it('for the whole network without a token (4), nor with a wrong setting (7)', async () => {
    const [port] = await freePorts(1);
    await refusedStart({ BAE_LISTEN: `0.0.0.0:${port}` }, 4, /token/i);
    await refusedStart({ BAE_CACHE_BYTES: 'much' }, 7, /cache_bytes/i);
    await refusedStart({ BAE_NO_SUCH_SETTING: '1' }, 7, /BAE_NO_SUCH_SETTING/);
    await refusedStart({ BAE_STORE: 'ftp://nowhere' }, 7, /./);
    const toml = await settings({});
    await mkdir(toml.BAE_DATA as string);
    await writeFile(`${toml.BAE_DATA}/bae.toml`, 'listen = \n');
    await refusedStart({ BAE_DATA: toml.BAE_DATA as string }, 7, /bae\.toml is not TOML: line 1/);
  });
});

/** One call over TCP; the status. */
function tcp(path: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(`${bae.url}${path}`, { headers }, (reply) => {
      reply.resume().on('end', () => resolve(reply.statusCode ?? 0));
    });
    sent.on('error', reject).end();
  });
}

describe('callers over TCP', () => {
  const authorization = `Bearer ${TOKEN}`;
  const stats = '/api/v1/stats';

  it('need the token, but for health', async () => {
    expect(await tcp('/livez', {})).toBe(200);
    expect(await tcp('/readyz', {})).toBe(200);
    expect(await tcp(stats, {})).toBe(401);
    expect(await tcp(stats, { authorization: 'Bearer wrong' })).toBe(401);
    expect(await tcp(stats, { authorization })).toBe(200);
    expect(await tcp('/api/v1/openapi.json', {})).toBe(401);
  });

  it('from other sites or by unknown names are refused, token or not', async () => {
    expect(await tcp(stats, { authorization, host: 'evil.example' })).toBe(403);
    expect(await tcp('/livez', { host: 'evil.example' })).toBe(403);
    expect(await tcp(stats, { authorization, origin: 'https://evil.example' })).toBe(403);
    expect(await tcp(stats, { authorization, 'sec-fetch-site': 'cross-site' })).toBe(403);
    expect(await tcp(stats, { authorization, origin: bae.url })).toBe(200);
  });

  it('can be the command line itself', async () => {
    const env = { BAE_URL: bae.url, BAE_TOKEN: TOKEN, BAE_DATA: `${folder.path}/nobody` };
    expect((await runBae(['stats', '--json'], env)).code).toBe(0);
    expectSentence(await runBae(['stats'], { ...env, BAE_TOKEN: 'wrong-wrong-wrong' }), 4, /token/);
  });
});

it('the key file and the socket are for this user alone', async () => {
  for (const name of ['library.key', 'bae.sock']) {
    expect((await stat(`${bae.dataDir}/${name}`)).mode & 0o777).toBe(0o600);
  }
  expect(await readFile(`${bae.dataDir}/library.key`, 'utf8')).toMatch(/^bae library key 1\n/);
});
