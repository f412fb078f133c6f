// Requests to our own API: who sends them holds the token, or the socket, and may still be wrong in every way.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  type Application,
  createHttp,
  type ImportView,
  type LimitChanges,
  type NewImport,
} from '../../src/http/index.ts';
import { silentLog } from '../../src/lib/log.ts';
import type { Target } from './driver.ts';
import { text } from './parts.ts';

const VIEW: ImportView = {
  ...{ id: 'i1', name: null, infoHash: 'ab'.repeat(20), state: 'queued', identification: 'waiting', progress: 0 },
  ...{ error: null, retryable: false, torrentId: null },
};
const MOST_PEERS = 1_000;

function judgeImport({ source, peers }: NewImport): void {
  assert.ok('torrent' in source ? Buffer.isBuffer(source.torrent) : source.magnet.startsWith('magnet:'));
  assert.ok(peers.length <= MOST_PEERS);
  for (const { host, port } of peers) assert.ok(host !== '' && port >= 1 && port <= 65_535);
}

function judgeLimits(changes: LimitChanges): void {
  for (const value of Object.values(changes))
    assert.ok(value === undefined || (Number.isSafeInteger(value) && value >= 0));
}

/** What was wrong in the request that is answered now: one at a time. */
let broken: unknown[] = [];

function judged(judge: () => void): void {
  try {
    judge();
  } catch (error) {
    broken.push(error);
  }
}

const given: Partial<Application> = {
  addImport: async (request) => {
    judged(() => judgeImport(request));
    return VIEW;
  },
  import: async () => VIEW,
  setLimits: async (_id, changes) => {
    judged(() => judgeLimits(changes));
    return [];
  },
};
const log = { ...silentLog, error: (words: string) => void broken.push(words) };
const app = createHttp({ application: given as Application, version: '0', log, guard: null });

/** The first byte says what is asked; the rest is the body, or the id in the path. */
async function read(input: Buffer): Promise<boolean> {
  broken = [];
  const body = input.subarray(1);
  const headers = { host: 'localhost', 'content-type': 'application/json' };
  const kind = (input[0] ?? 0) % 3;
  const path = ['/imports', '/torrents/t1', `/imports/${encodeURIComponent(body.toString('latin1'))}`][kind];
  const method = ['POST', 'PATCH', 'GET'][kind] as string;
  const sent = kind === 2 ? { method, headers } : { method, headers, body: new Uint8Array(body) };
  const reply = await app.request(`/api/v1${path}`, sent);
  const answer = await reply.text();
  if (broken.length > 0) throw broken[0];
  assert.ok([200, 201, 400, 404, 413].includes(reply.status), `status ${reply.status}: ${answer}`);
  if (reply.status >= 400) assert.match(JSON.parse(answer).error.message, /^.{1,1000}$/s);
  return reply.status < 300;
}

const peers = fc.array(
  fc.record({ host: fc.oneof(fc.ipV4(), text), port: fc.oneof(fc.nat(70_000), fc.double(), text) }),
  { maxLength: 3 },
);
const asked = fc.record(
  {
    torrent: fc.oneof(fc.base64String({ minLength: 4 }), text),
    magnet: fc.oneof(fc.constant(`magnet:?xt=urn:btih:${'ab'.repeat(20)}`), text),
    peers: fc.oneof(peers, fc.array(fc.constantFrom('127.0.0.1:1', '[::1]:80', 'x'), { maxLength: 3 })),
    asIs: fc.oneof(fc.boolean(), fc.constant('yes')),
  },
  { requiredKeys: [] },
);
const limits = fc.record(
  {
    uploadBytesPerSecond: fc.oneof(fc.nat(), fc.double(), fc.constantFrom(-1, '5', 2 ** 60)),
    downloadBytesPerSecond: fc.oneof(fc.nat(), fc.constant(null)),
  },
  { requiredKeys: [] },
);
const withKind = (kind: number, body: string) => Buffer.concat([Buffer.of(kind), Buffer.from(body)]);

export const API: readonly Target[] = [
  {
    name: 'http-api',
    isRefusal: () => false,
    drawn: fc.oneof(
      asked.map((one) => withKind(0, JSON.stringify(one))),
      limits.map((one) => withKind(1, JSON.stringify(one))),
      text.map((id) => withKind(2, id)),
    ),
    read,
  },
];
