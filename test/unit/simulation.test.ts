// That scenarios repeat, that they hold what they promise, and that what is wrong in one is seen.
import { describe, expect, it } from 'vitest';
import { WAYS } from '../simulation/finding.ts';
import { HAPPENINGS, happenings } from '../simulation/happenings.ts';
import { bandwidthProblems, DhtJudge, memberProblems, trackerProblems } from '../simulation/judge.ts';
import { LIES } from '../simulation/liars.ts';
import { play } from '../simulation/play.ts';
import { drawScenario, THEMES } from '../simulation/scenario.ts';
import { type Run, Stage } from '../simulation/stage.ts';

/** What happened, as far as anybody outside could see it. */
const trace = ({ simulation, tracker, runs, finding }: Stage) => ({
  dials: simulation.network.dials,
  announces: tracker.announces.map(({ at, from, request }) => [at, from, request.event, request.uploaded]),
  counters: runs.map(({ node }) => node.torrent.stats()),
  datagrams: finding.datagrams.sent,
});

describe('a seed', () => {
  it('draws the same scenario again, and the scenario goes the same way', async () => {
    expect(drawScenario(8)).toEqual(drawScenario(8));
    expect(drawScenario(8)).not.toEqual(drawScenario(8 + THEMES.length));
    // One by the tracker alone, and one with a DHT of which packets are lost.
    for (const seed of [8, 12]) expect(trace(await play(seed))).toEqual(trace(await play(seed)));
  });

  it('draws each theme, each lie and each fault within the two hundred that CI plays', () => {
    const scenarios = Array.from({ length: 200 }, (_, at) => drawScenario(at + 1));
    expect(new Set(scenarios.map(({ theme }) => theme)).size).toBe(THEMES.length);
    expect(new Set(scenarios.flatMap(({ liars }) => liars.map(({ lie }) => lie))).size).toBe(LIES.length);
    expect(new Set(scenarios.flatMap(({ events }) => events.map(({ what }) => what))).size).toBe(10);
    expect(new Set(scenarios.map(({ finding }) => finding.way))).toEqual(new Set(WAYS));
    expect(scenarios.every(({ nodes }) => nodes[0]?.role === 'seed')).toBe(true);
    expect(Math.max(...scenarios.map(({ nodes }) => nodes.length))).toBeGreaterThan(25);
  });
});

describe('what is wrong in a scenario', () => {
  it('is seen in bytes that nobody got, and in an honest peer that was called guilty', async () => {
    const stage = await play(12);
    expect(bandwidthProblems(stage)).toEqual([]);
    const [run] = stage.runs as [Run];
    const before = { ...run.before, uploadedBytes: run.before.uploadedBytes - 1 };
    expect(bandwidthProblems({ ...stage, runs: [{ ...run, before }, ...stage.runs.slice(1)] })[0]).toContain(
      'bytes sent',
    );
    stage.accused.add(run.plan.address);
    expect(bandwidthProblems(stage)).toEqual([`${run.plan.address} was called guilty and is not`]);
  });

  it('is seen in what the tracker was told', async () => {
    const stage = await play(12);
    expect(trackerProblems(stage)).toEqual([]);
    const [announce] = stage.tracker.announces;
    if (announce === undefined) throw new Error('nobody announced');
    const again = (change: object, at = announce.at + 1) => {
      const request = { ...announce.request, event: null, ...change };
      stage.tracker.announces.splice(1, Number.POSITIVE_INFINITY, { ...announce, at, request });
      return trackerProblems(stage).join();
    };
    expect(again({ event: 'started' })).toContain('started 2 times');
    expect(again({ event: 'completed' })).toContain('completed without a download');
    expect(again({ uploaded: -1 })).toContain('counters that go back');
    expect(again({})).toContain('asked again after 1 ms');
    expect(again({}, announce.at + 200_000_000)).toContain('was silent');
  });

  it('is seen in packets about a private torrent, and in too many of them', async () => {
    const seed = Array.from({ length: 200 }, (_, at) => at + 1).find((one) => {
      const { isPrivate, finding, nodes } = drawScenario(one);
      return isPrivate && finding.way === 'both' && nodes.length < 8;
    });
    const stage = new Stage(drawScenario(seed ?? 0));
    const judge = new DhtJudge(stage);
    const { datagrams } = stage.finding;
    datagrams.watch(Buffer.from('d1:ye'), '20.1.1.1 6881', '40.0.1.1 6881');
    expect(judge.problems()).toEqual([]);
    for (let count = 0; count <= 1_000; count++) datagrams.watch(Buffer.of(1), '20.1.1.1 6881', '40.0.1.1 6881');
    expect(judge.problems()).toEqual(['20.1.1.1 6881 sent 1001 packets in a second']);
    datagrams.watch(Buffer.concat([Buffer.of(1), stage.simulation.info.infoHash]), '20.1.1.1 6881', '40.0.1.1 6881');
    expect(judge.problems()).toEqual(['the DHT heard of a private torrent']);
  });

  it('is seen in what a node keeps', async () => {
    const { runs } = await play(12);
    const [run] = runs as [Run];
    const engine = {
      ...run.node.engine,
      stats: () => ({ ...run.node.engine.stats(), leasedBytes: 1e9, connections: 7 }),
    };
    expect(memberProblems({ ...run, node: { ...run.node, engine } })).toHaveLength(2);
  });
});

describe('what happens in a scenario', () => {
  it('is told only where it happened', async () => {
    const stage = await play(8);
    const seen = happenings(stage);
    expect(seen.every((name) => HAPPENINGS.includes(name))).toBe(true);
    expect(seen).not.toContain('a datagram is lost');
    stage.finding.datagrams.lost = 1;
    stage.moments.allLeftMidPiece = true;
    const added = happenings(stage).filter((name) => !seen.includes(name));
    expect(added).toEqual(['all peers leave in the middle of a piece', 'a datagram is lost']);
  });
});
