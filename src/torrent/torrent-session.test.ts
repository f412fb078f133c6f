import { beforeEach, describe, expect, test } from 'vitest';
import { QuietEngine, type QuietTorrent } from '../../test/parts/quiet-engine.ts';
import { announceScene, EMPTY_REPLY } from '../../test/parts/scripted-tracker.ts';
import { infoOf } from '../../test/simulation/swarm.ts';
import { silentLog } from '../lib/log.ts';
import { seededRandom } from '../lib/random.ts';
import { type AnnounceReply, type AnnounceRequest, TrackerError } from './discovery/index.ts';
import type { BeginSpec, SavedAnnounces } from './session-options.ts';
import { Sessions } from './sessions.ts';
import type { TorrentSession } from './torrent-session.ts';

let engine: QuietEngine;
let isHanging: boolean;
let at: ReturnType<typeof announceScene>;
let sessions: Sessions;
let changed: TorrentSession[];
let counted: TorrentSession[];
/** What `keep` does. */
let keep: (session: TorrentSession) => Promise<void>;
/** What was kept each time that all was. */
let flushed: (SavedAnnounces | null)[];
/** What trackers answer where they do not hang. */
let answer: (event: AnnounceRequest) => AnnounceReply | TrackerError;

beforeEach(() => {
  engine = new QuietEngine();
  isHanging = false;
  answer = () => EMPTY_REPLY;
  flushed = [];
  at = announceScene((_, request, signal) => {
    if (!isHanging) return answer(request);
    return new Promise<AnnounceReply>((_done, fail) =>
      signal.addEventListener('abort', () => fail(new TrackerError('unreachable', 'no answer'))),
    );
  });
  changed = [];
  counted = [];
  keep = async () => undefined;
  let made = 0;
  sessions = new Sessions({
    engine,
    scheduler: at.scheduler,
    clock: at.clock,
    random: seededRandom(1),
    log: silentLog,
    newPeerId: () => Buffer.alloc(20, ++made),
    keeper: {
      changed: (session) => changed.push(session),
      counted: (session) => counted.push(session),
      keep: (session) => keep(session),
      flush: async () => void flushed.push(...[...new Set(changed)].map((session) => session.saved())),
    },
  });
});

let torrents = 0;
function begin(host: string, more: Partial<BeginSpec> = {}): { session: TorrentSession; torrent: QuietTorrent } {
  const infoHash = Buffer.alloc(20);
  infoHash.writeUInt32BE(++torrents);
  const trackers = [[`http://${host}/`]];
  const session = sessions.begin({ infoHash, id: 1, info: null, mode: 'seed', trackers, announces: null, ...more });
  return { session, torrent: session.torrent as QuietTorrent };
}

function serve({ torrent }: { torrent: QuietTorrent }, bytes: number): void {
  torrent.uploadedBytes += bytes;
  torrent.listener.onCounters?.({ uploadedBytes: torrent.uploadedBytes, downloadedBytes: 0 });
}

const uploads = () => at.calls.map(([, , { event, uploaded }]) => `${event} ${uploaded}`);

describe('counters', () => {
  test('are announced only as far as they are kept', async () => {
    const one = begin('a', { uploadedBytes: 1_000 });
    await at.pass(1);
    serve(one, 50);
    keep = async () => {
      throw new Error('the disk is full');
    };
    await at.pass(1_800);
    keep = async () => undefined;
    serve(one, 5);
    await at.pass(1_800);
    expect(uploads()).toEqual(['started 0', 'null 0', 'null 55']);
  });

  test('that have not moved are not kept again', async () => {
    let kept = 0;
    keep = async () => void kept++;
    const one = begin('a');
    await at.pass(5_000);
    expect(kept).toBe(0);
    serve(one, 1);
    await at.pass(4_000);
    expect(kept).toBe(1);
    expect(counted).toHaveLength(1);
  });

  test('go on where the run before left them, with the same identity', async () => {
    const announces: SavedAnnounces = {
      peerId: Buffer.alloc(20, 99),
      key: 7,
      startedWith: ['http://a/'],
      completedSent: true,
      uploadedBytes: 300,
      downloadedBytes: 0,
    };
    const one = begin('a', { announces, uploadedBytes: 1_000 });
    await at.pass(1);
    serve(one, 20);
    await at.pass(1_800);
    expect(uploads()).toEqual(['null 300', 'null 320']);
    expect(at.calls[0]?.[2]).toMatchObject({ peerId: announces.peerId, key: 7 });
    expect(one.session.saved()).toEqual({ ...announces, uploadedBytes: 320 });
  });

  test('of a started that was never acknowledged go on too: for one identity they never fall', async () => {
    isHanging = true;
    const one = begin('a');
    serve(one, 40);
    await at.pass(1);
    await one.session.end(false);
    isHanging = false;
    const announces = one.session.saved() as SavedAnnounces;
    expect(announces.startedWith).toEqual([]);
    begin('a', { announces, uploadedBytes: 40 });
    await at.pass(1);
    expect(uploads()).toEqual(['started 40', 'started 40']);
    expect(at.calls[1]?.[2].peerId).toEqual(at.calls[0]?.[2].peerId);
  });
});

describe('completed', () => {
  const downloading = { mode: 'download', downloadedBytes: 500 } as const;
  /** As the run before this one left it: it had downloaded all and told nobody. */
  const untold: SavedAnnounces = {
    ...{ peerId: Buffer.alloc(20, 99), key: 7, startedWith: ['http://a/'] },
    ...{ completedSent: false, uploadedBytes: 0, downloadedBytes: 500 },
  };

  test('is kept before it leaves; a run that ends in between tells nothing in the next', async () => {
    const { session, torrent } = begin('a', { mode: 'download' });
    await at.pass(1);
    expect(session.saved()?.completedSent).toBe(false);
    isHanging = true;
    const leaving = at.calls.length;
    torrent.listener.onComplete?.();
    await at.pass(1);
    // Its tracker hangs: it has not been reached yet.
    expect([at.events().at(-1), flushed]).toEqual(['a completed', []]);
    await at.calls[leaving]?.[2].sending?.();
    expect(flushed.map((saved) => saved?.completedSent)).toEqual([true]);
    const announces = session.saved() as SavedAnnounces;
    await session.end(false);
    isHanging = false;
    const before = at.calls.length;
    begin('a', { ...downloading, announces });
    await at.pass(4_000);
    expect(at.events().slice(before)).toEqual(['a null', 'a null', 'a null']);
  });

  test('that an earlier run owes is told by this one, once, to a tracker that never heard of it too', async () => {
    begin('a', { ...downloading, announces: untold });
    begin('b', { ...downloading, announces: { ...untold, startedWith: [] } });
    await at.pass(4_000);
    const of = (host: string) => at.events().filter((event) => event.startsWith(`${host} `));
    expect(of('a')).toEqual(['a completed', 'a null', 'a null']);
    expect(of('b')).toEqual(['b started', 'b completed', 'b null', 'b null']);
  });

  test('is not told of what was there all along', async () => {
    begin('a', { mode: 'download', announces: { ...untold, downloadedBytes: 0 } });
    await at.pass(4_000);
    expect(at.events()).not.toContain('a completed');
  });

  test('that was refused is owed by the next run', async () => {
    answer = ({ event }) => (event === 'completed' ? new TrackerError('refused', 'Database is down') : EMPTY_REPLY);
    const { session, torrent } = begin('a', { mode: 'download' });
    await at.pass(1);
    torrent.listener.onComplete?.();
    await at.pass(1);
    expect(flushed.map((saved) => saved?.completedSent)).toEqual([true]);
    expect(session.saved()?.completedSent).toBe(false);
  });
});

test.each([
  [1, 2],
  [0, 0],
])(
  'a torrent with private=%d whose tracker is another one, then the first, leaves its peers %d times (BEP 27)',
  async (flag, times) => {
    const info = infoOf(Buffer.alloc(50_000, torrents), 16_384, { private: flag });
    const trackers = [['http://a/'], ['http://b/']];
    const { session, torrent } = begin('a', { info, infoHash: info.infoHash, trackers });
    await at.pass(1);
    answer = () => new TrackerError('refused', 'Unregistered torrent');
    await at.pass(1_801);
    answer = () => EMPTY_REPLY;
    await at.pass(10_000);
    expect(session.trackers()[0]?.state).toBe('working');
    expect(torrent.peersLeft).toBe(times);
  },
);

describe('the end', () => {
  test('with stopped is the end of the identity; without, or when nobody hears it, it goes on', async () => {
    const told = begin('a');
    const quiet = begin('a');
    const unheard = begin('b');
    await at.pass(1);
    await told.session.end(true);
    await quiet.session.end(false);
    isHanging = true;
    const ended = unheard.session.end(true);
    await at.pass(10);
    await ended;
    expect(told.session.saved()).toBeNull();
    expect(quiet.session.saved()?.startedWith).toEqual(['http://a/']);
    expect(unheard.session.saved()?.startedWith).toEqual(['http://b/']);
    expect(at.events().slice(3)).toEqual(['a stopped', 'b stopped']);
    expect(engine.torrents()).toEqual([]);
    expect(changed).toContain(told.session);
  });

  test('of all: the most recently active first, as far as time allows; the rest goes on at the next start', async () => {
    const all = Array.from({ length: 30 }, (_, index) => begin('a', { trackers: [[`http://a/${index}`]] }));
    await at.pass(2);
    for (const index of [3, 17, 8]) {
      serve(all[index] as (typeof all)[number], 10 + index);
      await at.pass(1);
    }
    isHanging = true;
    const before = at.calls.length;
    const goodbye = sessions.sayGoodbye(10_000);
    expect(all.every(({ torrent }) => !torrent.seeding)).toBe(true);
    await at.pass(1);
    // As many as may be under way at one host: the three that were active, and one more.
    const told = at.calls.slice(before).map(([, , { event, uploaded }]) => `${event} ${uploaded}`);
    expect(told.sort()).toEqual(['stopped 0', 'stopped 13', 'stopped 18', 'stopped 27']);
    await at.pass(10);
    await goodbye;
    expect(at.timers()).toBe(1);
    expect(all.every(({ session }) => session.saved()?.startedWith.length === 1)).toBe(true);
    // What begins now would only be torn down: it says nothing.
    const late = begin('late');
    await at.pass(5);
    expect(at.events()).not.toContain('late started');
    await Promise.all([...all, late].map(({ session }) => session.end(false)));
  });

  test('of all, when trackers answer', async () => {
    const all = Array.from({ length: 1_000 }, (_, index) => begin('a', { trackers: [[`http://a/${index}`]] }));
    await at.pass(60);
    await sessions.sayGoodbye(10_000);
    expect(at.events().filter((event) => event === 'a stopped')).toHaveLength(1_000);
    expect(all.every(({ session }) => session.saved() === null)).toBe(true);
  });
});
