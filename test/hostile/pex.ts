// Floods of peer exchange (PEX, BEP 11).
import { setTimeout as delay } from 'node:timers/promises';
import { encode } from '../../src/torrent/metainfo/index.ts';
import { encodeCompactPeers, encodeExtended, encodeMessage, PEX_PEERS } from '../../src/torrent/wire/index.ts';
import { type Attacker, Crowd } from './crowd.ts';
import { FORBIDDEN, type Ground, type GroundAttack, OPEN_PORT } from './ground.ts';
import { DIALS_PER_SECOND, PEX_MESSAGES } from './limits.ts';
import { comesTrue } from './patience.ts';

/** The server's id of ut_pex, whether it told it or not. */
const PEX_ID = 3;
const FLOOD = 1_000;
/** Ten thousand addresses fit in one message. */
const CROWDED = 10_000;
const DIALLING_MILLISECONDS = 5_000;

/** So many addresses below `prefix` (two numbers). */
const hosts = (prefix: string, count: number, from = 0) =>
  Array.from({ length: count }, (_, at) => `${prefix}.${((from + at) >> 8) & 255}.${(from + at) & 255}`);
const compact = (some: readonly string[], port = OPEN_PORT) =>
  encodeCompactPeers(some.map((host) => ({ host, port }))).ipv4;
const compact6 = (some: readonly string[]) => encodeCompactPeers(some.map((host) => ({ host, port: OPEN_PORT }))).ipv6;
const pex = (fields: Parameters<typeof encode>[0]) => encodeExtended(PEX_ID, encode(fields));

/** Addresses that nobody is to be sent to. */
function forbidden(): Buffer {
  const ranges = FORBIDDEN.map((range) =>
    compact(hosts(range.split('.').slice(0, 2).join('.'), 7, 256 * Number(range.split('.')[2]))),
  );
  const special = compact(['127.0.0.1', '224.0.0.5', '239.1.1.1', '0.0.0.0', '255.255.255.255']);
  const added6 = compact6(['::1', 'fe80::1', 'ff02::1', '2001:db8::1', '64:ff9b::a00:1']);
  return pex({ added: Buffer.concat([special, ...ranges, compact(['20.110.0.1'], 0)]), added6 });
}

/** Messages that break the form, and messages that only bend it. */
const BROKEN = [
  pex({ added: compact(hosts('20.111', 3)).subarray(1) }),
  pex({ added6: Buffer.alloc(17) }),
  pex({ dropped: Buffer.alloc(5) }),
  encodeExtended(PEX_ID, Buffer.from('not bencode')),
  encodeExtended(PEX_ID, Buffer.from('d5:added')),
];
const BENT = [
  pex({ added: compact(hosts('20.106', 2)), 'added.f': Buffer.alloc(3) }),
  pex({ added: compact(hosts('20.107', 2)), 'added.f': Buffer.alloc(5_000, 0xff) }),
  pex({ added: compact(hosts('20.108', 2)), 'added.f': ['x'] }),
  pex({ added: 7, added6: [], dropped: { x: 1 } }),
  pex({}),
];

async function greet(crowd: Crowd, hash: Buffer, messages: readonly Buffer[]): Promise<Attacker[]> {
  const attackers = await crowd.greet(messages.length, hash, { type: 'haveNone' });
  for (const [at, { socket }] of attackers.entries()) socket.write(messages[at] as Buffer);
  return attackers;
}

const repeated = <T>(count: number, make: (at: number) => T) => Array.from({ length: count }, (_, at) => make(at));
const closed = (attackers: readonly Attacker[]) => attackers.every((attacker) => attacker.closed);
const open = (attackers: readonly Attacker[]) => attackers.every((attacker) => !attacker.closed);

/** What the peers of the public torrent send. Few addresses are good: there is time to dial any that should not be there. */
async function flood(crowd: Crowd, hash: Buffer) {
  const early = (peer: number) =>
    repeated(PEX_MESSAGES - 1, (at) =>
      pex({ added: compact(hosts('20.101', PEX_PEERS, 500 * peer + PEX_PEERS * at)) }),
    );
  const obedient = await greet(crowd, hash, [
    ...repeated(4, forbidden),
    ...repeated(8, (at) => Buffer.concat([pex({ added: compact(hosts('20.100', 1, at)) }), ...early(at)])),
    ...repeated(4, () => {
      const first = repeated(PEX_PEERS, () => '20.102.0.1');
      return pex({ added: compact([...first, ...hosts('20.103', CROWDED)]) });
    }),
    ...repeated(4, () => pex({ added: compact(repeated(CROWDED, () => '20.104.0.1')) })),
    ...BENT,
  ]);
  const broken = await greet(crowd, hash, BROKEN);
  const once = pex({ added: compact(hosts('20.105', PEX_PEERS)) });
  const flooding = await greet(
    crowd,
    hash,
    repeated(20, () => Buffer.concat(repeated(FLOOD, () => once))),
  );
  return { obedient, broken, flooding };
}

async function run({ host, port, hashes, dials }: Ground) {
  const crowd = new Crowd(port, host, (number) => `20.1.${number}.1`);
  const ignored = await greet(
    crowd,
    hashes.private,
    repeated(20, () => Buffer.concat(repeated(FLOOD, () => pex({ added: compact(hosts('20.109', PEX_PEERS)) })))),
  );
  const { obedient, broken, flooding } = await flood(crowd, hashes.pex);
  const go = await comesTrue(() => closed(broken) && closed(flooding));
  const stay = open(obedient) && open(ignored);
  await delay(DIALLING_MILLISECONDS);
  // Who is still there answers, so that the connection is known to work.
  const keepAlive = encodeMessage({ type: 'keepAlive' });
  for (const { socket } of obedient) socket.write(keepAlive);
  const seconds = (performance.now() - dials.since) / 1_000;
  const unread = ['20.101', '20.103', '20.110', '20.111'].flatMap((prefix) => dials.to(prefix));
  process.stderr.write(`${dials.all.length} dials in ${seconds.toFixed(1)} s, to ${new Set(dials.all).size} peers\n`);
  crowd.end();
  return [
    ['who keeps to the form stays, and so does everybody with the private torrent', stay],
    ['who breaks it or sends more than six a minute goes', go],
    ['peers that are named are dialled', dials.to('20.100').length > 0],
    ['no more of them than may be', dials.all.length <= DIALS_PER_SECOND * (seconds + 1)],
    ['none of what is beyond fifty a message, or a message a minute', unread.length === 0],
    ['none for the private torrent', dials.to('20.109').length === 0],
    ['none that nobody may be sent to', FORBIDDEN.flatMap((range) => dials.to(range)).length === 0],
    ['one is dialled once, however often it is named', dials.to('20.104').length <= 4],
  ] as const;
}

export const PEX_ATTACK: GroundAttack = { name: 'floods of peer exchange, in every wrong form', strangers: 70, run };
