// That scenarios repeat, that they hold what they promise, and that what is wrong in one is seen.
import { describe, expect, it } from 'vitest';
import { bandwidthProblems, memberProblems, trackerProblems } from '../simulation/judge.ts';
import { LIES } from '../simulation/liars.ts';
import { play } from '../simulation/play.ts';
import { drawScenario, THEMES } from '../simulation/scenario.ts';
import type { Run, Stage } from '../simulation/stage.ts';

/** What happened, as far as anybody outside could see it. */
const trace = ({ simulation, tracker, runs }: Stage) => ({
  dials: simulation.network.dials,
  announces: tracker.announces.map(({ at, from, request }) => [at, from, request.event, request.uploaded]),
  counters: runs.map(({ node }) => node.torrent.stats()),
});

describe('a seed', () => {
  it('draws the same scenario again, and the scenario goes the same way', async () => {
    expect(drawScenario(8)).toEqual(drawScenario(8));
    expect(drawScenario(8)).not.toEqual(drawScenario(8 + THEMES.length));
    const [first, second] = [await play(8), await play(8)];
    expect(trace(second)).toEqual(trace(first));
  });

  it('draws each theme, each lie and each fault within the two hundred that CI plays', () => {
    const scenarios = Array.from({ length: 200 }, (_, at) => drawScenario(at + 1));
    expect(new Set(scenarios.map(({ theme }) => theme)).size).toBe(THEMES.length);
    expect(new Set(scenarios.flatMap(({ liars }) => liars.map(({ lie }) => lie))).size).toBe(LIES.length);
    expect(new Set(scenarios.flatMap(({ events }) => events.map(({ what }) => what))).size).toBe(10);
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
