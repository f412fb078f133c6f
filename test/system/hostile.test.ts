// A real server that seeds, attacked over real sockets in every way its limits know, while one honest peer downloads.
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemNetwork } from '../../src/torrent/index.ts';
import type { Info } from '../../src/torrent/metainfo/index.ts';
import { encodeMessage } from '../../src/torrent/wire/index.ts';
import { ATTACKS, type Attack, everyBlock, type Field } from '../hostile/attacks.ts';
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
/** What an honest peer must keep of its rate. */
const LEAST_RATE = 0.8;
/** What the loop may be late by, and, since other programs have the processor too, ten times that. */
const MARK_MILLISECONDS = 20;
const MOST_MILLISECONDS = 200;
/** An attack is tried again where the machine may have been busy otherwise: what it does, it does each time. */
const TRIES = 3;
/** What a peer may cost. */
const PEER_BYTES = 1024 * 1024;
/** The heap's young generation (three spaces of 4 MiB) and as much again that waits to be collected come and go with any load. */
const HEAP_BYTES = 24 * 1024 * 1024;
/** Honest peers that come before the attacks. */
const HONEST_CROWD = 20;
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
/** What a crowd of honest peers has brought the server's memory to move by. */
let honestBytes: number;

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
  const crowd = new Crowd(bae.peerPort);
  const before = rssBytes();
  honestBytes = (await peakRss(download(crowd))) - before;
  crowd.end();
}, 120_000);
afterAll(async () => {
  await honest?.stop();
  await bae?.remove();
  await folder?.remove();
});

const rssBytes = () =>
  1024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${bae.pid()}/status`, 'utf8'))?.[1] ?? 0);

/** Honest peers, each of which downloads most of a torrent. */
async function download(crowd: Crowd): Promise<void> {
  const all = { pieceCount: BYTES / PIECE_LENGTH, pieceLength: PIECE_LENGTH };
  const peers = await crowd.greet(
    HONEST_CROWD,
    (infos[1] as Info).infoHash,
    { type: 'haveNone' },
    { type: 'interested' },
  );
  await delay(500);
  const wanted = Buffer.concat(everyBlock(all).map(encodeMessage));
  const waiting = () => peers.filter(({ received }) => received < BYTES / 2);
  for (const deadline = performance.now() + 30_000; waiting().length > 0; await delay(1_000)) {
    expect(performance.now()).toBeLessThan(deadline);
    // Who was choked is refused, and asks again.
    for (const { socket } of waiting()) socket.write(wanted);
  }
}

/** The most memory the server has while something happens. */
async function peakRss(during: Promise<unknown>): Promise<number> {
  let peak = rssBytes();
  let over = false;
  const end = () => {
    over = true;
  };
  during.then(end, end);
  while (!over) {
    await delay(50);
    peak = Math.max(peak, rssBytes());
  }
  await during;
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
  let outcome: Awaited<ReturnType<Attack['run']>> = [];
  let peak = before;
  const prepared = await honest.watch(async () => {
    peak = await peakRss(one.prepare?.(field) ?? Promise.resolve());
  });
  const hard = await honest.watch(async () => {
    const running = one.run(field);
    peak = Math.max(peak, await peakRss(running));
    outcome = await running;
  });
  crowd.end();
  await delay(200);
  const rate = hard.bytesPerSecond / quiet.bytesPerSecond;
  const calls = [...prepared.calls, ...hard.calls].sort((a, b) => a - b);
  return { outcome, rate, calls, quietCalls: quiet.calls, grown: peak - before, peers: crowd.all.length };
}

it.each([...ATTACKS, ...MSE_ATTACKS, ...EXTENDED_ATTACKS])('withstands $name', { timeout: 120_000 }, async (one) => {
  for (let attempt = 1; ; attempt++) {
    const { outcome, rate, calls, quietCalls, grown, peers } = await attack(one);
    const lateMilliseconds = percentile(calls, 95);
    const lines = [
      `${(100 * rate).toFixed(0)} % of its rate (mark ${100 * LEAST_RATE})`,
      `answers in ${percentile(calls, 50).toFixed(0)}/${lateMilliseconds.toFixed(0)}/${percentile(calls, 99).toFixed(0)} ms (50th/95th/99th; quiet ${percentile(quietCalls, 50).toFixed(0)}/${percentile(quietCalls, 95).toFixed(0)}; mark ${MARK_MILLISECONDS})`,
      `${(grown / 1e6).toFixed(0)} MB more, ${(grown / peers / PEER_BYTES).toFixed(2)} MiB a peer of ${peers} (mark 1; ${HONEST_CROWD} honest ones: ${(honestBytes / 1e6).toFixed(0)} MB)`,
    ];
    process.stderr.write(`${one.name}: ${lines.join(', ')}\n`);
    expect(outcome.filter(([, holds]) => !holds).map(([words]) => words)).toEqual([]);
    expect(grown).toBeLessThan(peers * PEER_BYTES + Math.max(honestBytes, HEAP_BYTES));
    expect([bae.running(), honest.closed, honest.wrongBlocks]).toEqual([true, false, 0]);
    if (attempt < TRIES && (rate < LEAST_RATE || lateMilliseconds >= MOST_MILLISECONDS)) continue;
    expect(rate).toBeGreaterThanOrEqual(LEAST_RATE);
    expect(lateMilliseconds).toBeLessThan(MOST_MILLISECONDS);
    return;
  }
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
