// What must hold in any scenario.
import type { Run, Stage } from './stage.ts';
import type { Announce } from './virtual-tracker.ts';

/** Blocks the engine asks of one peer at once at most: its REQUESTS_IN_FLIGHT. */
const REQUESTS_IN_FLIGHT = 1_024;
/** Memory that blocks under way may keep: its default for leasedBytes. */
const LEASED_BYTES = 64 * 1024 * 1024;
const CONNECTIONS_PER_TORRENT = 60;
/** What one connection may have lost of a message that was cut. */
const MESSAGE_BYTES = 16_384 + 13;
/** A tracker is not asked more often than this, whatever interval it names, nor more seldom than once a day. */
const LEAST_INTERVAL_MILLISECONDS = 30_000;
const MOST_INTERVAL_MILLISECONDS = 86_400_000;
/** Tries a tracker that is down may see at once, and then in each quarter of an hour. */
const TRIES_AT_FIRST = 16;
const TRY_MILLISECONDS = 900_000;

/** Of one node, at any time. */
export function memberProblems({ node, plan }: Run): string[] {
  const { requestsInFlight, peers } = node.torrent.stats();
  const { leasedBytes, connections } = node.engine.stats();
  const problems: string[] = [];
  if (requestsInFlight > peers * REQUESTS_IN_FLIGHT) problems.push(`asks for ${requestsInFlight} blocks at once`);
  if (leasedBytes > LEASED_BYTES) problems.push(`keeps ${leasedBytes} bytes for its peers`);
  if (peers > CONNECTIONS_PER_TORRENT || connections !== peers)
    problems.push(`${connections} connections, ${peers} peers`);
  return problems.map((problem) => `${plan.address} ${problem}`);
}

/** What the nodes of the DHT may send in a second: their rates, and what these let through at once. */
const DHT_PACKETS = 1_000;
/** Buckets of eight nodes, one a bit of the id. */
const DHT_NODES = 8 * 160;

/** Of the DHT: no node sends or keeps more than it may, and a private torrent is not spoken of. */
export class DhtJudge {
  readonly #stage: Stage;
  readonly #sent = new Map<string, number>();
  #isBetrayed = false;

  constructor(stage: Stage) {
    const { isPrivate } = stage.scenario;
    const { infoHash } = stage.simulation.info;
    this.#stage = stage;
    stage.finding.datagrams.watch = (packet, from) => {
      this.#sent.set(from, (this.#sent.get(from) ?? 0) + 1);
      if (isPrivate && packet.includes(infoHash)) this.#isBetrayed = true;
    };
  }

  /** Since the last look, about a second ago. */
  problems(): string[] {
    const problems = this.#isBetrayed ? ['the DHT heard of a private torrent'] : [];
    for (const [from, count] of this.#sent) {
      if (count > DHT_PACKETS) problems.push(`${from} sent ${count} packets in a second`);
    }
    this.#sent.clear();
    for (const { plan, finders } of this.#stage.runs) {
      const nodes = finders.dht?.stats().nodes ?? 0;
      if (nodes > DHT_NODES) problems.push(`${plan.address} knows ${nodes} nodes`);
    }
    return problems;
  }
}

/** What was sent has arrived, or is known to be lost; nobody honest was called guilty. */
export function bandwidthProblems({
  runs,
  liars,
  accused,
  simulation,
  scenario,
}: Pick<Stage, 'runs' | 'liars' | 'accused' | 'simulation' | 'scenario'>): string[] {
  let sent = 0;
  let received = 0;
  for (const { node, before } of runs) {
    const { uploadedBytes, downloadedBytes, wastedBytes } = node.torrent.stats();
    sent += uploadedBytes - before.uploadedBytes;
    received += downloadedBytes - before.downloadedBytes + wastedBytes;
  }
  for (const liar of liars) {
    sent += liar.sentBytes;
    received += liar.gotBytes;
  }
  const { lostBytes, uncountedBytes } = simulation.network;
  const cut = scenario.nodes.some(({ line }) => line.fragments) && lostBytes + uncountedBytes > 0 ? MESSAGE_BYTES : 0;
  const ended = cut * simulation.network.endedConnections;
  const problems = liars.flatMap(({ complaints, lie }) =>
    complaints.slice(0, 3).map((words) => `told ${lie}: ${words}`),
  );
  if (sent - received > lostBytes + ended || received - sent > uncountedBytes + ended) {
    problems.push(`${sent} bytes sent, ${received} received, ${lostBytes} lost, ${uncountedBytes} uncounted`);
  }
  for (const { address, role } of scenario.nodes) {
    if (role !== 'corrupt' && accused.has(address)) problems.push(`${address} was called guilty and is not`);
  }
  return problems;
}

/** Of what the tracker was told. */
export function trackerProblems({ tracker, scenario, runs }: Stage): string[] {
  const sessions = Map.groupBy(tracker.announces, ({ url, request }) => `${url} ${request.peerId.toString('hex')}`);
  const problems: string[] = [];
  for (const [name, announces] of sessions) {
    const from = announces[0]?.from ?? '';
    const starts = runs.filter(({ plan }) => plan.address === from).map(({ startedAt }) => startedAt);
    const found = [...eventProblems(announces), ...counterProblems(announces), ...paceProblems(announces, starts)];
    const during = announces.filter(({ at }) => at >= scenario.tracker.downFrom && at < scenario.tracker.downUntil);
    const down = scenario.tracker.downUntil - scenario.tracker.downFrom;
    if (during.length > TRIES_AT_FIRST + down / TRY_MILLISECONDS)
      found.push(`asked ${during.length} times while it was down`);
    problems.push(...found.map((words) => `${from}, ${name.includes('dead') ? 'dead' : 'live'} tracker: ${words}`));
  }
  return problems;
}

/** `started` once, `completed` once and after a download, nothing after `stopped`: of those that were answered. */
function eventProblems(announces: readonly Announce[]): string[] {
  const problems: string[] = [];
  const answered = announces.filter((announce) => announce.answered);
  const count = (event: string) => answered.filter(({ request }) => request.event === event).length;
  const isSwitched = announces.some(({ url }) => url.includes('dead'));
  if (count('started') > 1 && !isSwitched) problems.push(`started ${count('started')} times`);
  if (count('completed') > 1) problems.push(`completed ${count('completed')} times`);
  const completed = announces.find(({ request }) => request.event === 'completed');
  if (completed !== undefined && (completed.request.left !== 0 || announces[0]?.request.left === 0)) {
    problems.push('completed without a download');
  }
  const stopped = announces.findIndex(({ request }) => request.event === 'stopped');
  if (stopped >= 0 && stopped !== announces.length - 1) problems.push('spoke on after stopped');
  return problems;
}

function counterProblems(announces: readonly Announce[]): string[] {
  const problems: string[] = [];
  for (let at = 1; at < announces.length; at++) {
    const before = (announces[at - 1] as Announce).request;
    const { uploaded, downloaded, event } = (announces[at] as Announce).request;
    if (event === 'started') continue;
    if (uploaded < before.uploaded || downloaded < before.downloaded) problems.push('counters that go back');
  }
  return problems;
}

/** Regular announces keep their distance; the first after a restart may come sooner. */
function paceProblems(announces: readonly Announce[], starts: readonly number[]): string[] {
  const problems: string[] = [];
  for (let at = 1; at < announces.length; at++) {
    const before = announces[at - 1] as Announce;
    const { at: time, request } = announces[at] as Announce;
    const isRestarted = starts.some((start) => start > before.at && start <= time);
    if (!before.answered || request.event !== null || isRestarted) continue;
    const pause = time - before.at;
    if (pause < LEAST_INTERVAL_MILLISECONDS - 1_000) problems.push(`asked again after ${pause} ms`);
    if (pause > 2 * MOST_INTERVAL_MILLISECONDS) problems.push(`was silent for ${pause} ms`);
  }
  return problems;
}
