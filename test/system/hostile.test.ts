// A real server that seeds, attacked over real sockets in every way its limits know, while one honest peer downloads.
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemNetwork } from '../../src/torrent/index.ts';
import type { Info } from '../../src/torrent/metainfo/index.ts';
import { ATTACKS, type Attack, type Field } from '../hostile/attacks.ts';
import { Crowd } from '../hostile/crowd.ts';
import { EXTENDED_ATTACKS } from '../hostile/extended.ts';
import { percentile, startHonest } from '../hostile/honest.ts';
import { MSE_ATTACKS } from '../hostile/mse.ts';
import { type Bae, type StatsView, showLogsOnFailure, startBae } from '../parts/bae.ts';
import { temporaryFolder } from '../parts/process.ts';
import { RawPeer } from '../simulation/raw-peer.ts';
import { bytesOf, infoOf } from '../simulation/swarm.ts';

const TORRENTS = 5;
const BYTES = 8 * 1024 * 1024;
const PIECE_LENGTH = 256 * 1024;
const HONEST_BYTES_PER_SECOND = 8_000_000;
const BASE_MILLISECONDS = 1_000;
/** What an honest peer must keep of its rate, and what this noisy place can assert. */
const MARK_RATE = 0.8;
const LEAST_RATE = 0.5;
/** What the loop may be late by, and ten times that. */
const MARK_MILLISECONDS = 20;
const MOST_MILLISECONDS = 200;
/** What a peer may cost, and ten times that. */
const MARK_PEER_BYTES = 1024 * 1024;
const MOST_PEER_BYTES = 10 * MARK_PEER_BYTES;
/** A server's memory moves by so much by itself. */
const IDLE_BYTES = 64 * 1024 * 1024;
/** Half of the RAM cache, as it is by default. */
const LEASE_BUDGET_BYTES = 32 * 1024 * 1024;
const ALL_LINES = 1_000_000;
const DRIPPING = 1_000;
const HANDSHAKE_MILLISECONDS = 10_000;

showLogsOnFailure();

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let bae: Bae;
let honest: ReturnType<typeof startHonest>;
let infos: Info[];

/** A seed of a few lines, for bae to import from. */
async function startSeed(contents: readonly Buffer[], torrents: readonly Info[]) {
  return await Promise.all(
    torrents.map((info, at) => {
      return systemNetwork.listen('127.0.0.1', 0, (connection) => {
        const peer = new RawPeer(connection, {
          infoHash: info.infoHash,
          take(message, from) {
            if (message.type !== 'request') return;
            const offset = message.index * PIECE_LENGTH + message.begin;
            const data = (contents[at] as Buffer).subarray(offset, offset + message.length);
            from.send({ type: 'piece', index: message.index, begin: message.begin, data });
          },
        });
        peer.greet();
        peer.send({ type: 'haveAll' }, { type: 'unchoke' });
      });
    }),
  );
}

beforeAll(async () => {
  folder = await temporaryFolder('hostile');
  const contents = Array.from({ length: TORRENTS }, (_, at) => bytesOf(at + 1, BYTES));
  infos = contents.map((content) => infoOf(content, PIECE_LENGTH));
  const seeds = await startSeed(contents, infos);
  bae = await startBae({ store: `file:${folder.path}/store`, env: { BAE_LOG_LEVEL: 'info' } });
  for (const [at, info] of infos.entries()) {
    const path = join(folder.path, `${at}.torrent`);
    await writeFile(path, Buffer.concat([Buffer.from('d4:info'), info.rawInfo, Buffer.from('e')]));
    const { code, stderr } = await bae.cli('import', path, '--peer', `127.0.0.1:${seeds[at]?.port}`, '--wait');
    expect(stderr + code).toContain('0');
  }
  await Promise.all(seeds.map((seed) => seed.close()));
  const [info, content] = [infos[0] as Info, contents[0] as Buffer];
  const server = { port: bae.peerPort, socketPath: join(bae.dataDir, 'bae.sock') };
  const pace = { bytesPerSecond: HONEST_BYTES_PER_SECOND, pieceLength: PIECE_LENGTH };
  honest = startHonest({ ...server, ...pace, infoHash: info.infoHash, content });
  await delay(2_000);
}, 120_000);
afterAll(async () => {
  await honest?.stop();
  await bae?.remove();
  await folder?.remove();
});

const rssBytes = () =>
  1024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${bae.pid()}/status`, 'utf8'))?.[1] ?? 0);

/** The most memory the server has while something happens. */
async function peakRss(during: Promise<unknown>): Promise<number> {
  let peak = rssBytes();
  let over = false;
  during.finally(() => {
    over = true;
  });
  while (!over) {
    await delay(50);
    peak = Math.max(peak, rssBytes());
  }
  return peak;
}

async function attack(one: Attack) {
  const crowd = new Crowd(bae.peerPort);
  const hashes = infos.slice(1).map(({ infoHash }) => infoHash);
  const field: Field = {
    ...{ crowd, hashes, pieceLength: PIECE_LENGTH, pieceCount: BYTES / PIECE_LENGTH },
    metadataBytes: (infos[1] as Info).rawInfo.length,
    held: () => bae.api<StatsView>('GET', '/stats'),
    leaseBudgetBytes: LEASE_BUDGET_BYTES,
  };
  const quiet = await honest.watch(() => delay(BASE_MILLISECONDS));
  const before = rssBytes();
  const prepared = await peakRss(one.prepare?.(field) ?? Promise.resolve());
  let outcome: Awaited<ReturnType<Attack['run']>> = [];
  let peak = prepared;
  const hard = await honest.watch(async () => {
    const running = one.run(field);
    peak = Math.max(peak, await peakRss(running));
    outcome = await running;
  });
  crowd.end();
  await delay(200);
  const rate = hard.bytesPerSecond / quiet.bytesPerSecond;
  return { outcome, rate, calls: hard.calls, quietCalls: quiet.calls, grown: peak - before, peers: crowd.all.length };
}

it.each([...ATTACKS, ...MSE_ATTACKS, ...EXTENDED_ATTACKS])('withstands $name', async (one) => {
  const { outcome, rate, calls, quietCalls, grown, peers } = await attack(one);
  const peerMebibytes = (grown / peers / MARK_PEER_BYTES).toFixed(2);
  const lines = [
    `${(100 * rate).toFixed(0)} % of its rate (mark ${100 * MARK_RATE})`,
    `answers in ${percentile(calls, 50).toFixed(0)}/${percentile(calls, 95).toFixed(0)} ms (50th/95th; quiet ${percentile(quietCalls, 50).toFixed(0)}/${percentile(quietCalls, 95).toFixed(0)}; mark ${MARK_MILLISECONDS})`,
    `${(grown / 1e6).toFixed(0)} MB more, ${peerMebibytes} MiB a peer of ${peers} (mark 1)`,
  ];
  process.stderr.write(`${one.name}: ${lines.join(', ')}\n`);
  expect(outcome.filter(([, holds]) => !holds).map(([words]) => words)).toEqual([]);
  // The turns of upload slots are fair to peers that take nothing, too: what that costs is printed, and not asserted yet.
  if (one.takesSlots === undefined) expect(rate).toBeGreaterThan(LEAST_RATE);
  expect(percentile(calls, 50)).toBeLessThan(MOST_MILLISECONDS);
  expect(grown).toBeLessThan(IDLE_BYTES + peers * MOST_PEER_BYTES);
  expect([bae.running(), honest.closed, honest.wrongBlocks]).toEqual([true, false, 0]);
});

it(`withstands a byte every 9 s from ${DRIPPING} peers, and lets them go after ${HANDSHAKE_MILLISECONDS} ms`, async () => {
  const crowd = new Crowd(bae.peerPort);
  const hello = Buffer.from('\x13B');
  const seen = await honest.watch(async () => {
    const dripping = await crowd.open(DRIPPING);
    for (const { socket } of dripping) socket.write(hello.subarray(0, 1));
    await delay(9_000);
    for (const { socket } of dripping) socket.write(hello.subarray(1));
    // Who comes in the meantime is let in.
    const late = await crowd.greet(1, (infos[1] as Info).infoHash, { type: 'haveNone' });
    await delay(500);
    expect(late[0]?.received).toBeGreaterThan(68);
    await delay(4_000);
    expect(dripping.filter(({ closed }) => !closed).length).toBe(0);
  });
  process.stderr.write(`${DRIPPING} that drip: honest peer at ${(seen.bytesPerSecond / 1e6).toFixed(1)} MB/s\n`);
  expect(seen.bytesPerSecond).toBeGreaterThan(HONEST_BYTES_PER_SECOND * LEAST_RATE);
  crowd.end();
});

it('has logged no fault of its own, keeps nothing, and stops in order', async () => {
  const { stats } = await bae.api<{ stats: unknown }>('GET', '/stats').then((answer) => ({ stats: answer }));
  expect(stats).toBeDefined();
  const faults = bae
    .logTail(ALL_LINES)
    .split('\n')
    .filter((line) => /"level":(50|60)/.test(line));
  expect(faults).toEqual([]);
  await honest.stop();
  expect((await bae.stop()).code).toBe(0);
});
