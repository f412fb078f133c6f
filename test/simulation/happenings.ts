// What scenarios are for. Each is told as it was seen to happen, not as it was drawn: a fault that met nobody shows nothing.
import { LIES } from './liars.ts';
import { DAY_MILLISECONDS, MANY_STRANGERS } from './scenario.ts';
import type { Stage } from './stage.ts';

type Test = (stage: Stage) => boolean;

const answered: Test = ({ tracker }) => tracker.announces.some((announce) => announce.answered);
const byWay =
  (way: string): Test =>
  ({ scenario, runs }) =>
    scenario.finding.way === way && runs.some(({ node, plan }) => plan.role === 'leech' && node.torrent.left === 0);

const wasDown: Test = ({ tracker, scenario }) => {
  const { downFrom, downUntil } = scenario.tracker;
  const isOf = (from: number, until: number) => tracker.announces.some(({ at }) => at >= from && at < until);
  const isBack = tracker.announces.some((announce) => announce.answered && announce.at >= downUntil);
  return downUntil - downFrom >= DAY_MILLISECONDS && isOf(downFrom, downUntil) && isBack;
};

/** A leech dialled another that the tracker had not named to it. */
const byPeers: Test = (stage) => {
  const { simulation, tracker, scenario } = stage;
  const leeches = new Set(scenario.nodes.slice(1).map(({ address }) => address));
  return simulation.network.dials.some((dial) => {
    const [from = '', to = ''] = dial.split(' > ');
    const host = to.slice(0, to.lastIndexOf(':'));
    return leeches.has(from) && leeches.has(host) && !tracker.told.has(`${from} ${host}`);
  });
};

const lies = Object.fromEntries(
  LIES.map((lie): [string, Test] => [
    `a peer lies as "${lie}" has it`,
    ({ liars }) => liars.some((liar) => liar.lie === lie && liar.told > 0),
  ]),
);

/** By name. */
const TESTS: Readonly<Record<string, Test>> = {
  'all peers leave in the middle of a piece': ({ moments }) => moments.allLeftMidPiece,
  'a corrupt peer is found out': ({ accused }) => accused.size > 0,
  'a liar about what it has is asked for it': ({ liars }) =>
    liars.some(({ lie, requests }) => ['claims', 'snubs', 'haves'].includes(lie) && requests > 0),
  'a storm of chokes meets requests': ({ liars }) => liars.some(({ chokes, requests }) => chokes >= 20 && requests > 0),
  'the tracker is down for a day, and then answers': wasDown,
  'the tracker asks for an interval of 0 s': (stage) => stage.scenario.tracker.intervalSeconds === 0 && answered(stage),
  'the tracker asks for an interval of 3,000,000 s': (stage) =>
    stage.scenario.tracker.intervalSeconds === 3_000_000 && answered(stage),
  'a reply names 10,000 peers': (stage) => stage.scenario.tracker.strangers === MANY_STRANGERS && answered(stage),
  'the store is unavailable for minutes, and comes back': ({ moments }) => moments.longStoreFailures > 0,
  'a write is lost and sent again': ({ simulation }) => simulation.network.resends > 0,
  'writes take longer and shorter': ({ scenario }) =>
    scenario.nodes.some(({ line }) => (line.jitterMilliseconds ?? 0) > 0),
  'a connection is reset': ({ simulation }) => simulation.network.resets > 0,
  'the clock jumps forward': ({ moments }) => moments.jumpsForward > 0,
  'the clock jumps back': ({ moments }) => moments.jumpsBack > 0,
  'a datagram is lost': ({ finding }) => finding.datagrams.lost > 0,
  'datagrams come in another order': ({ finding }) => finding.datagrams.reordered > 0,
  'a swarm without a tracker finds itself by the DHT': byWay('dht'),
  'nodes of the DHT that lie are asked': ({ finding }) => finding.liars.some(({ asked }) => asked > 0),
  'a swarm uses tracker and DHT': byWay('both'),
  'a private torrent keeps out of a DHT that is there': (stage) => stage.scenario.isPrivate && byWay('both')(stage),
  'a swarm without a tracker finds itself in the local network': byWay('local'),
  'peers are found by what peers tell': (stage) => byWay('peers')(stage) && byPeers(stage),
  ...lies,
};

export const HAPPENINGS: readonly string[] = Object.keys(TESTS);

/** Those that happened. */
export function happenings(stage: Stage): string[] {
  return HAPPENINGS.filter((name) => TESTS[name]?.(stage));
}
