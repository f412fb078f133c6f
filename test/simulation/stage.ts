// Performs a scenario, watches what must hold all the time, and judges what it has come to.
import { inspect } from 'node:util';
import type { Log } from '../../src/lib/log.ts';
import { seededRandom } from '../../src/lib/random.ts';
import type { SavedAnnounces, SavedDht } from '../../src/torrent/index.ts';
import { parseInfo } from '../../src/torrent/metainfo/index.ts';
import { type Finders, Finding } from './finding.ts';
import { bandwidthProblems, DhtJudge, memberProblems, trackerProblems } from './judge.ts';
import { Liar } from './liars.ts';
import { type MemoryPieces, unavailable } from './memory-pieces.ts';
import type { EventPlan, NodePlan, Scenario } from './scenario.ts';
import { type Node, Simulation } from './swarm.ts';
import { VirtualTracker } from './virtual-tracker.ts';

/** One run of a node, from its start to its leaving. */
export interface Run {
  readonly node: Node;
  readonly plan: NodePlan;
  /** Virtual milliseconds. */
  readonly startedAt: number;
  readonly finders: Finders;
  readonly before: { readonly uploadedBytes: number; readonly downloadedBytes: number };
}

/** A place of the scenario and who fills it now. */
interface Role {
  readonly plan: NodePlan;
  run: Run | null;
  store: MemoryPieces | null;
  saved: SavedAnnounces | null;
  counters: Run['before'];
  /** What its node of the DHT knew when it left in order. */
  dht: SavedDht | null;
  /** When it left last, blocks of pieces that it had not whole were on their way to it. */
  leftMidPiece: boolean;
  /** It is being made or ended. */
  busy: boolean;
  /** It left and does not come back. */
  gone: boolean;
}

/** After the last disturbance all must be done within this: a tracker's longest pause between tries, several times. */
const PATIENCE_MILLISECONDS = 3 * 3_600_000;
/** How often what must always hold is looked at. */
const LOOK_MILLISECONDS = 1_000;
/** While the tracker is away for long there is little to see. */
const LONG_LOOK_MILLISECONDS = 60_000;

export class Stage {
  readonly scenario: Scenario;
  readonly simulation: Simulation;
  readonly tracker: VirtualTracker;
  readonly liars: Liar[];
  readonly finding: Finding;
  readonly runs: Run[] = [];
  /** What went wrong, in words. */
  readonly problems: string[] = [];
  /** Addresses that somebody called guilty. */
  readonly accused = new Set<string>();
  /** What was seen to happen, for `happenings`. */
  readonly moments = { allLeftMidPiece: false, jumpsForward: 0, jumpsBack: 0, longStoreFailures: 0 };
  readonly #roles: Role[];
  readonly #ending: Promise<void>[] = [];

  constructor(scenario: Scenario) {
    const { seed, bytes, pieceLength, isPrivate } = scenario;
    this.scenario = scenario;
    this.simulation = new Simulation({ seed, bytes, pieceLength, info: isPrivate ? { private: 1 } : {} });
    const { clock } = this.simulation;
    const hasTracker = !['dht', 'local'].includes(scenario.finding.way);
    this.tracker = new VirtualTracker(clock, seededRandom(seed + 1), scenario.tracker, hasTracker);
    this.finding = new Finding(scenario.finding, clock, seed);
    this.liars = scenario.liars.map(
      ({ address, lie }, at) => new Liar(this.simulation, seededRandom(seed * 100 + at), address, lie),
    );
    this.#roles = scenario.nodes.map((plan) => {
      const fresh = { run: null, store: null, saved: null, dht: null, counters: NOTHING };
      return { ...fresh, plan, leftMidPiece: false, busy: false, gone: false };
    });
  }

  /** Lets it all happen; what must not be is in `problems`. */
  async perform(): Promise<void> {
    const { clock } = this.simulation;
    const dht = new DhtJudge(this);
    await this.finding.start();
    const begin = clock.monotonic();
    for (const liar of this.liars) {
      this.tracker.name(liar.address, 6881);
      await liar.start(() => this.#roles.flatMap(({ run }) => (run === null ? [] : [run.node])));
    }
    for (const role of this.#roles) this.#at(role.plan.startAt, () => this.#start(role));
    for (const event of this.scenario.events) this.#at(event.at, () => this.#happen(event));
    const { downUntil } = this.scenario.tracker;
    const last = Math.max(downUntil, ...this.scenario.events.map((event) => begin + endOf(event)), 60_000);
    const deadline = last + PATIENCE_MILLISECONDS;
    while (!this.#isDone(last) && clock.monotonic() < deadline) {
      const long = clock.monotonic() > last - 86_400_000 && clock.monotonic() < last - LONG_LOOK_MILLISECONDS;
      await clock.run(
        long && this.scenario.theme === 'tracker down for a day' ? LONG_LOOK_MILLISECONDS : LOOK_MILLISECONDS,
      );
      for (const { run } of this.#roles) if (run !== null) this.problems.push(...memberProblems(run));
      this.problems.push(...dht.problems());
      const isMidPiece = this.#roles.some(({ leftMidPiece }) => leftMidPiece);
      if (isMidPiece && this.#roles.every(({ run }) => run === null)) this.moments.allLeftMidPiece = true;
      if (this.problems.length > 0) break;
    }
    this.#judgeContent();
    for (const liar of this.liars) await liar.stop();
    this.finding.end();
    for (const { finders } of this.runs) finders.close();
    await this.simulation.end();
    await Promise.all(this.#ending);
    this.problems.push(...bandwidthProblems(this), ...trackerProblems(this));
  }

  #at(at: number, call: () => Promise<void> | void): void {
    this.simulation.clock.after(at, () => {
      Promise.resolve(call()).catch((error: unknown) => this.problems.push(`broke: ${(error as Error).stack}`));
    });
  }

  async #start(role: Role): Promise<void> {
    if (role.run !== null || role.busy || role.gone) return;
    role.busy = true;
    const { plan, saved, counters } = role;
    const { content, clock, info } = this.simulation;
    const startedAt = clock.monotonic();
    const whole = plan.role === 'seed' ? content : plan.role === 'corrupt' ? spoilt(content) : null;
    const isMagnet = plan.magnet && (role.store === null || role.store.content.length === 0);
    const finders = await this.finding.of(plan.address, () => PEER_PORT, role.dht);
    const node = await this.simulation.node({
      ...{ address: plan.address, ...plan.line, unitBytes: this.scenario.unitBytes, clock, log: this.#log() },
      ...(whole !== null && { content: whole }),
      ...(plan.coldMilliseconds !== null && { cold: true, readMilliseconds: plan.coldMilliseconds }),
      ...(role.store !== null && { store: role.store }),
      writeMilliseconds: plan.writeMilliseconds,
      ...(finders.dht !== null && { dht: finders.dht }),
      trackers: { urls: this.tracker.urls, client: this.tracker.clientOf(plan.address), announces: saved, finders },
      spec: {
        ...counters,
        mode: plan.role === 'leech' ? 'download' : 'seed',
        ...(isMagnet && { info: null, id: null, isPrivate: false }),
      },
    });
    if (isMagnet && node.session !== null) {
      node.session.listener = { onMetadata: (raw) => node.session?.provide(parseInfo(raw), 9) };
    }
    if (!info.infoHash.equals(node.torrent.infoHash)) throw new Error('another torrent');
    role.busy = false;
    role.store = node.store;
    role.run = { node, plan, startedAt, finders, before: counters };
    this.runs.push(role.run);
  }

  async #happen(event: EventPlan): Promise<void> {
    const { network, clock } = this.simulation;
    if (event.what === 'reset') network.resetOne();
    else if (event.what === 'clock') {
      this.moments[event.jumpMilliseconds > 0 ? 'jumpsForward' : 'jumpsBack']++;
      clock.jump(event.jumpMilliseconds);
    } else {
      const role = this.#roles[event.node] as Role;
      if (event.what === 'leave') await this.#leave(role, event.how);
      else if (event.what === 'return') await this.#start(role);
      else this.#fail(role, event);
    }
  }

  /** Who is killed goes on after its restart as the same session; who was stopped begins a new one. */
  async #leave(role: Role, how: 'told' | 'killed'): Promise<void> {
    const { run } = role;
    if (run === null) return;
    const { node, plan, finders } = run;
    role.run = null;
    role.leftMidPiece = node.torrent.left > 0 && node.torrent.stats().requestsInFlight > 0;
    role.dht = how === 'told' ? (finders.dht?.snapshot() ?? null) : null;
    finders.close();
    role.saved = how === 'killed' ? (node.session?.saved() ?? null) : null;
    if (how === 'killed') this.simulation.network.cut(plan.address);
    const comesBack = this.scenario.events.some(
      (event) =>
        event.what === 'return' && this.#roles[event.node] === role && event.at > this.simulation.clock.monotonic(),
    );
    role.gone = !comesBack;
    const ending = node.end(how === 'told').then(() => {
      const { uploadedBytes, downloadedBytes } = node.torrent.stats();
      role.counters = { uploadedBytes, downloadedBytes };
    });
    this.#ending.push(ending);
    await ending;
  }

  #fail(role: Role, { what, milliseconds }: Extract<EventPlan, { milliseconds: number }>): void {
    const { run, store } = role;
    if (run === null || store === null) return;
    const { torrent } = run.node;
    const [begin, end]: [() => void, () => void] = {
      'reads fail': pair((on) => Object.assign(store, { readError: on ? unavailable() : null })),
      'writes fail': pair((on) => Object.assign(store, { writeError: on ? unavailable() : null })),
      'no room': pair((on) => store.setRoom(!on)),
      'line stalls': pair((on) => on && this.simulation.network.stall(role.plan.address, milliseconds)),
      paused: pair((on) => torrent.pause(on)),
      'switched off': pair((on) => torrent.setSeeding(!on)),
    }[what];
    begin();
    const before = store.failures;
    this.#at(milliseconds, () => {
      end();
      if (milliseconds >= MINUTES_MILLISECONDS && store.failures > before) this.moments.longStoreFailures++;
    });
  }

  #isDone(last: number): boolean {
    if (this.simulation.clock.monotonic() < Math.min(last, 400_000)) return this.#roles.every((role) => role.gone);
    return this.#roles.every(({ run, gone }) => gone || (run !== null && run.node.torrent.left === 0));
  }

  #judgeContent(): void {
    const { content } = this.simulation;
    for (const { run, plan, gone } of this.#roles) {
      if (gone || plan.role !== 'leech') continue;
      const stats = run?.node.torrent.stats();
      if (stats === undefined || run?.node.torrent.left !== 0) {
        const { peerList, ...rest } = stats ?? { peerList: [] };
        this.problems.push(
          `${plan.address} did not get it all: ${JSON.stringify(rest)}, peers ${JSON.stringify(peerList)}`,
        );
      } else if (!run.node.store.content.equals(content)) this.problems.push(`${plan.address} has other bytes`);
    }
  }

  /** An error in the log is always a fault of ours; who is called guilty is noted. */
  #log(): Log {
    const { problems, accused } = this;
    return {
      debug: () => undefined,
      info: () => undefined,
      warn: (message, fields) => {
        if (message === 'a peer sent wrong bytes') accused.add(String(fields?.peer));
      },
      error: (message, fields) => problems.push(`logged: ${message} ${inspect(fields)}`),
    };
  }
}

const PEER_PORT = 6881;
/** A store that failed for so long, and was asked, was away for minutes. */
const MINUTES_MILLISECONDS = 60_000;
const NOTHING = { uploadedBytes: 0, downloadedBytes: 0 };

const pair = (set: (on: boolean) => unknown): [() => void, () => void] => [() => set(true), () => set(false)];

const endOf = (event: EventPlan) => event.at + ('milliseconds' in event ? event.milliseconds : 0);

/** Every fourth block has a wrong byte. */
function spoilt(content: Buffer): Buffer {
  const wrong = Buffer.from(content);
  for (let at = 0; at < wrong.length; at += 65_536) wrong.writeUInt8(wrong.readUInt8(at) ^ 1, at);
  return wrong;
}
