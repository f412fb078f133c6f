// Draws a whole story from one number: who takes part, who lies, what breaks, and when.
import { type Random, seededRandom } from '../../src/lib/random.ts';
import { drawFinding, type FindingPlan } from './finding.ts';
import { LIES, type Lie } from './liars.ts';
import type { HostOptions } from './virtual-network.ts';
import type { TrackerPlan } from './virtual-tracker.ts';

/** What a scenario is about; the rest of it is drawn at random all the same. */
export const THEMES = [
  'plain',
  'all leave',
  'corrupt',
  'liars',
  'choke storm',
  'tracker asks for 0 s',
  'tracker asks for 3,000,000 s',
  'crowd in a reply',
  'store away',
  'cut lines',
  'restarts',
  'tracker down for a day',
] as const;
export type Theme = (typeof THEMES)[number];

export interface NodePlan {
  readonly role: 'seed' | 'leech' | 'corrupt';
  readonly address: string;
  readonly line: HostOptions;
  /** Virtual milliseconds, as all times. */
  readonly startAt: number;
  /** It knows the info-hash alone. */
  readonly magnet: boolean;
  /** Reads of what was not read lately take so long; null: all is in memory. */
  readonly coldMilliseconds: number | null;
  readonly writeMilliseconds: number;
}

export type EventPlan =
  | { readonly at: number; readonly what: 'reset' }
  | { readonly at: number; readonly what: 'clock'; readonly jumpMilliseconds: number }
  /** `told`: it stops in order; `killed`: its line is cut and it says nothing to anybody. */
  | { readonly at: number; readonly what: 'leave'; readonly node: number; readonly how: 'told' | 'killed' }
  | { readonly at: number; readonly what: 'return'; readonly node: number }
  | { readonly at: number; readonly what: Fault; readonly node: number; readonly milliseconds: number };

/** What goes wrong with one node for a while: its store fails to read or write, or has no room; its line; its owner. */
export type Fault = 'reads fail' | 'writes fail' | 'no room' | 'line stalls' | 'paused' | 'switched off';
const FAULTS: readonly Fault[] = ['reads fail', 'writes fail', 'no room', 'line stalls', 'paused', 'switched off'];

export interface Scenario {
  readonly seed: number;
  readonly theme: Theme;
  readonly bytes: number;
  readonly pieceLength: number;
  readonly unitBytes: number;
  readonly isPrivate: boolean;
  readonly tracker: TrackerPlan;
  readonly finding: FindingPlan;
  /** The first is an honest seed that is there at the end. */
  readonly nodes: readonly NodePlan[];
  readonly liars: readonly { readonly address: string; readonly lie: Lie }[];
  readonly events: readonly EventPlan[];
}

export const DAY_MILLISECONDS = 86_400_000;
/** More peers than any reply should name. */
export const MANY_STRANGERS = 10_000;
const KIB = 1024;
const MINUTE = 60_000;
/** Bytes that all nodes together get at most, so that a scenario takes a part of a second. */
const MOST_MOVED_BYTES = 8_000_000;
const MOST_NODES = 30;
/** Lines of those themes whose events must come while there is still something to fetch, in bytes a second. */
const SLOW = [10_000, 20_000, 40_000, 60_000];
const isSlow = (theme: Theme) => theme === 'all leave' || theme === 'store away';
/** A scenario of a whole day has few nodes, since each has a tick a second. */
const MOST_NODES_OF_A_DAY = 4;

/** The scenario of a seed, always the same. */
export function drawScenario(seed: number): Scenario {
  const random = seededRandom(seed);
  const draw = new Draw(random);
  const theme = THEMES[seed % THEMES.length] as Theme;
  const isDay = theme === 'tracker down for a day';
  // Small swarms are more usual than large ones.
  const mostNodes = isDay ? MOST_NODES_OF_A_DAY : draw.one([4, 8, 16, MOST_NODES]);
  const count = draw.between(2, mostNodes);
  const pieceLength = draw.one([16 * KIB, 16 * KIB - 1, 50_000, 64 * KIB, 128 * KIB, 256 * KIB]);
  const most = Math.min(2_000_000, MOST_MOVED_BYTES / count);
  const bytes = draw.between(isSlow(theme) ? most / 2 : 1, most);
  const isPrivate = draw.chance(20);
  const nodes = Array.from({ length: count }, (_, at) => drawNode(draw, theme, at, isPrivate));
  const finding = drawFinding(seed, { isPrivate, isDay });
  return {
    ...{ seed, theme, bytes, pieceLength, isPrivate, nodes, finding },
    unitBytes: draw.one([64 * KIB, 256 * KIB, 1024 * KIB]),
    tracker: drawTracker(draw, theme, finding),
    liars: drawLiars(draw, theme),
    events: drawEvents(draw, theme, nodes),
  };
}

class Draw {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  between(least: number, most: number): number {
    return Math.floor(least) + this.#random.int(Math.floor(most) - Math.floor(least) + 1);
  }

  one<T>(choices: readonly T[]): T {
    return choices[this.#random.int(choices.length)] as T;
  }

  chance(percent: number): boolean {
    return this.#random.int(100) < percent;
  }
}

const addressOf = (node: number) => `20.1.${node + 1}.1`;

function drawNode(draw: Draw, theme: Theme, at: number, isPrivate: boolean): NodePlan {
  const rough = theme === 'cut lines' || draw.chance(30);
  const role = at === 0 ? 'seed' : at > 1 && theme === 'corrupt' && draw.chance(25) ? 'corrupt' : 'leech';
  const seedsToo = at > 1 && role === 'leech' && draw.chance(20);
  return {
    role: seedsToo ? 'seed' : role,
    address: addressOf(at),
    line: {
      uploadBytesPerSecond: draw.one(isSlow(theme) ? SLOW : [30_000, 200_000, 1_000_000, 20_000_000]),
      latencyMilliseconds: draw.between(1, 200),
      jitterMilliseconds: rough ? draw.between(0, 300) : 0,
      lossPercent: rough ? draw.between(0, 10) : 0,
      fragments: draw.chance(30),
    },
    // Whole seconds: what happens at the same moment costs one turn.
    startAt: 1_000 * (at === 0 ? 0 : draw.one([0, 0, 1, draw.between(0, 60)])),
    magnet: role === 'leech' && !seedsToo && !isPrivate && draw.chance(20),
    coldMilliseconds: theme === 'store away' || draw.chance(20) ? draw.between(5, 500) : null,
    writeMilliseconds: draw.chance(30) ? draw.between(1, 2_000) : 0,
  };
}

function drawTracker(draw: Draw, theme: Theme, { way }: FindingPlan): TrackerPlan {
  const rough = draw.chance(25);
  const downFrom = theme === 'tracker down for a day' || !rough ? 0 : draw.between(0, 20) * 1_000;
  const downFor = theme === 'tracker down for a day' ? DAY_MILLISECONDS : rough ? draw.between(1, 10) * MINUTE : 0;
  const usual = draw.one([60, 300, 1_800]);
  return {
    intervalSeconds:
      theme === 'tracker asks for 0 s' ? 0 : theme === 'tracker asks for 3,000,000 s' ? 3_000_000 : usual,
    downFrom,
    downUntil: downFrom + downFor,
    strangers: theme === 'crowd in a reply' ? MANY_STRANGERS : draw.chance(20) ? draw.between(1, 300) : 0,
    lossPercent: rough ? draw.between(0, 20) : 0,
    garbagePercent: rough ? draw.between(0, 10) : 0,
    deadSecondTier: draw.chance(20),
    namesOnly: way === 'peers' ? addressOf(0) : null,
  };
}

function drawLiars(draw: Draw, theme: Theme): Scenario['liars'] {
  // Nor has a whole day liars, who do something each second.
  const isDay = theme === 'tracker down for a day';
  const count = theme === 'liars' ? draw.between(2, 6) : draw.chance(25) && !isDay ? 1 : 0;
  const lies: Lie[] = Array.from({ length: count }, () => draw.one(LIES));
  // These two meet few otherwise: who has its metadata asks for none, and most lies are others.
  if (theme === 'liars') lies.push('metadata', 'haves');
  if (theme === 'choke storm') for (let more = draw.between(1, 3); more > 0; more--) lies.push('chokes');
  return lies.map((lie, at) => ({ address: `30.1.${at + 1}.1`, lie }));
}

function drawEvents(draw: Draw, theme: Theme, nodes: readonly NodePlan[]): EventPlan[] {
  const events: EventPlan[] = [];
  const soon = () => draw.between(1, 40) * 1_000;
  const any = () => draw.between(0, nodes.length - 1);
  const resets = theme === 'cut lines' ? draw.between(3, 20) : draw.chance(30) ? draw.between(1, 5) : 0;
  for (let count = 0; count < resets; count++) events.push({ at: soon(), what: 'reset' });
  if (draw.chance(30)) {
    events.push({
      at: soon(),
      what: 'clock',
      jumpMilliseconds: draw.one([-DAY_MILLISECONDS, -3_600_000, 3_600_000, 400 * DAY_MILLISECONDS]),
    });
  }
  const faults = theme === 'store away' ? draw.between(2, 6) : draw.chance(40) ? draw.between(1, 3) : 0;
  for (let count = 0; count < faults; count++) {
    const what = theme === 'store away' ? draw.one(FAULTS.slice(0, 3)) : draw.one(FAULTS);
    const least = theme === 'store away' ? 60 : 1;
    events.push({ at: soon(), what, node: any(), milliseconds: draw.between(least, 300) * 1_000 });
  }
  if (theme === 'all leave') {
    const at = soon();
    for (let node = 0; node < nodes.length; node++)
      events.push(...absence(draw, node, at + draw.between(0, 2) * 1_000));
  } else {
    const leaving = theme === 'restarts' ? draw.between(2, 6) : draw.chance(30) ? draw.between(1, 3) : 0;
    const who = new Set(Array.from({ length: leaving }, any));
    for (const node of who) events.push(...absence(draw, node, soon()));
  }
  return events.sort((a, b) => a.at - b.at);
}

/** A node goes; the first comes back, others mostly do. */
function absence(draw: Draw, node: number, at: number): EventPlan[] {
  const leave: EventPlan = { at, what: 'leave', node, how: draw.chance(50) ? 'told' : 'killed' };
  const back: EventPlan = { at: at + draw.between(10, 300) * 1_000, what: 'return', node };
  return node === 0 || draw.chance(75) ? [leave, back] : [leave];
}
