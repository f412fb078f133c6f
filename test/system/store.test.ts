// The S3 store against a real gateway: the contract, what providers do differently, and every way it can be unreachable.
import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as vitest from 'vitest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openS3Store, openStore, storeConformance } from '../../src/vault/store/index.ts';
import { type Gateway, startGateway } from '../parts/gateway.ts';

let gateway: Gateway;
let buckets = 0;
const newBucket = () => `store-${process.pid}-${++buckets}`;
const keys = () => ({ accessKeyId: gateway.accessKey, secretAccessKey: gateway.secretKey });
const environment = () => ({ AWS_ACCESS_KEY_ID: gateway.accessKey, AWS_SECRET_ACCESS_KEY: gateway.secretKey });
const spec = (bucket: string) => `s3://${bucket}/some/prefix?endpoint=${gateway.endpoint}`;

beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(async () => {
  await gateway.stop();
});

storeConformance(vitest, 'the S3 store', {
  open: () => openStore(spec(newBucket()), environment()),
  listedObjects: 1_005,
});

/** What a provider does differently: true when it answered itself, else the gateway answers. */
type Quirk = (asked: IncomingMessage, answer: ServerResponse) => boolean;

/** A provider with quirks: passes every other call on to the gateway. */
async function provider(quirk: Quirk): Promise<{ endpoint: string; stop(): void }> {
  const target = new URL(gateway.endpoint);
  const server = createServer((asked, answer) => {
    if (quirk(asked, answer)) return;
    const { method, url, headers } = asked;
    const passed = request({ host: target.hostname, port: target.port, method, path: url, headers }, (reply) => {
      answer.writeHead(reply.statusCode ?? 500, reply.headers);
      reply.pipe(answer);
    });
    passed.on('error', () => answer.destroy());
    asked.pipe(passed);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Runs `work` against a provider with a quirk. */
async function withProvider(quirk: Quirk, work: (endpoint: string) => Promise<void>): Promise<void> {
  const { endpoint, stop } = await provider(quirk);
  try {
    await work(endpoint);
  } finally {
    stop();
  }
}

describe('the S3 store at providers that know no conditional put', () => {
  const quirks: Record<string, Quirk> = {
    'answer 501': (asked, answer) => {
      if (asked.headers['if-none-match'] === undefined) return false;
      asked.resume().on('end', () => answer.writeHead(501).end('<Error><Code>NotImplemented</Code></Error>'));
      return true;
    },
    'let every one win': (asked, answer) => {
      if (asked.headers['if-none-match'] === undefined) return false;
      asked.resume().on('end', () => answer.writeHead(200).end());
      return true;
    },
  };
  for (const [title, quirk] of Object.entries(quirks)) {
    it(`has one winner all the same when they ${title}`, () =>
      withProvider(quirk, async (endpoint) => {
        const store = await openS3Store({ bucket: newBucket(), prefix: '', endpoint, credentials: keys() });
        const bodies = [1, 2, 3, 4].map((value) => Buffer.alloc(1_000, value));
        const told = await Promise.all(bodies.map((body) => store.put('k/library', body, { ifAbsent: true })));
        expect(told.filter((word) => word === 'stored')).toHaveLength(1);
        expect((await store.get('k/library')).equals(bodies[told.indexOf('stored')] as Buffer)).toBe(true);
        await store.close();
      }));
  }
});

describe('the S3 store', () => {
  it('sends the hash it was given instead of hashing again', () => {
    const seen: (string | undefined)[][] = [];
    const watch: Quirk = (asked) => {
      const { 'x-amz-content-sha256': signed, 'x-amz-checksum-sha256': checksum, expect: expected } = asked.headers;
      if (asked.url?.includes('c/one')) seen.push([String(signed), checksum as string | undefined, expected]);
      return false;
    };
    return withProvider(watch, async (endpoint) => {
      const store = await openS3Store({ bucket: newBucket(), prefix: '', endpoint, credentials: keys() });
      const body = randomBytes(1_048_704);
      const sha256 = createHash('sha256').update(body).digest();
      await store.put('c/one', body, { sha256 });
      expect(seen).toEqual([[sha256.toString('hex'), undefined, undefined]]);
      await store.close();
    });
  });

  it('leaves alone what others keep in the bucket', async () => {
    const bucket = newBucket();
    const outer = await openS3Store({ bucket, prefix: '', endpoint: gateway.endpoint, credentials: keys() });
    const inner = await openS3Store({ bucket, prefix: 'Mine/', endpoint: gateway.endpoint, credentials: keys() });
    await inner.put('a/b', Buffer.from('x'), { ifAbsent: true });
    await outer.put('c/d', Buffer.from('y'));
    const names: string[] = [];
    for await (const { name } of inner.list('')) names.push(name);
    for await (const { name } of outer.list('')) names.push(name);
    expect(names).toEqual(['a/b', 'c/d']);
    await Promise.all([inner.close(), outer.close()]);
  });

  it('says in a sentence what is wrong with keys and endpoints', async () => {
    const refused = (call: Promise<unknown>, kind: string, sentence: RegExp) =>
      expect(call).rejects.toMatchObject({ name: 'BaeError', kind, message: expect.stringMatching(sentence) });
    const bucket = newBucket();
    const wrongSecret = { ...environment(), AWS_SECRET_ACCESS_KEY: 'not the secret' };
    await refused(
      openStore(spec(bucket), wrongSecret),
      'refused',
      /secret key is wrong: check AWS_SECRET_ACCESS_KEY\.$/,
    );
    const wrongKey = { ...environment(), AWS_ACCESS_KEY_ID: 'nobody' };
    await refused(
      openStore(spec(bucket), wrongKey),
      'refused',
      /does not know the access key: check AWS_ACCESS_KEY_ID\.$/,
    );
    const nowhere = `s3://${bucket}?endpoint=http://127.0.0.1:9`;
    await refused(
      openStore(nowhere, environment()),
      'unavailable',
      /127\.0\.0\.1:9 does not answer \(ECONNREFUSED\): is its endpoint right, and is it up\?$/,
    );
    await withProvider(
      (_asked, answer) => answer.writeHead(404).end('<html>no such page</html>') !== undefined,
      (endpoint) => refused(openStore(`s3://${bucket}?endpoint=${endpoint}`, environment()), 'refused', /no S3 store/),
    );
  });

  it('gives up on silence, on half a body and on a server that is not well', async () => {
    let mood = 'well';
    const moody: Quirk = (asked, answer) => {
      if (mood === 'well') return false;
      asked.resume();
      if (mood === 'half') {
        answer.writeHead(200, { 'content-length': 1_000 });
        answer.write('half of it', () => answer.destroy());
      } else if (mood === 'stalled') {
        answer.writeHead(200, { 'content-length': 1_000 }).write('half of it');
      } else if (mood === 'ill') answer.writeHead(503).end('<html>busy</html>');
      return true;
    };
    await withProvider(moody, async (endpoint) => {
      const options = {
        bucket: newBucket(),
        prefix: '',
        endpoint,
        credentials: keys(),
        idleTimeoutMilliseconds: 1_000,
      };
      const store = await openS3Store(options);
      for (mood of ['silent', 'half', 'stalled', 'ill']) {
        await expect(store.get('c/one')).rejects.toMatchObject({ kind: 'unavailable', retryable: true });
      }
      await store.close();
    });
  });

  // Last: a gateway that was killed is slow to make buckets for a while.
  it('is unavailable while the gateway is away, and works when it is back', async () => {
    const store = await openStore(spec(newBucket()), environment());
    await store.put('c/kept', Buffer.from('kept'));
    await gateway.pause();
    await expect(store.get('c/kept')).rejects.toMatchObject({ kind: 'unavailable', retryable: true });
    await expect(store.put('c/new', Buffer.from('x'))).rejects.toMatchObject({ kind: 'unavailable' });
    await gateway.resume();
    expect((await store.get('c/kept')).toString()).toBe('kept');
    await store.close();
    await expect(store.get('c/kept')).rejects.toMatchObject({ kind: 'unavailable', retryable: false });
  });
});
