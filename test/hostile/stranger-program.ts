// One stranger on the internet, as a program that runs in a network namespace; its only argument says as what, in JSON.
import { createSocket } from 'node:dgram';
import { systemNetwork } from '../../src/torrent/index.ts';
import { RawPeer } from '../simulation/raw-peer.ts';
import { DHT_ATTACK } from './dht.ts';
import { contentOf, Dials, infoOfTorrent, PIECE_LENGTH, TORRENTS, type TorrentName } from './ground.ts';
import { startHonest } from './honest.ts';
import { LSD_ATTACK, LSD_GROUP, LSD_PORT } from './lsd.ts';
import { type Measured, measure } from './measure.ts';
import { PEX_ATTACK } from './pex.ts';

/** `seed` has all torrents, one on each port from `port` on; `watch` tells of connections to OPEN_PORT. */
export type StrangerOptions =
  | { readonly as: 'seed'; readonly address: string; readonly port: number; readonly near: string }
  | { readonly as: 'watch' }
  | {
      readonly as: keyof typeof ATTACKS;
      readonly host: string;
      readonly port: number;
      readonly near: string;
      readonly cookie: string;
      readonly socketPath: string;
      readonly pid: number;
    };

export type AttackReport = Measured & { readonly honest: { readonly closed: boolean; readonly wrongBlocks: number } };

const ATTACKS = { pex: PEX_ATTACK, lsd: LSD_ATTACK, dht: DHT_ATTACK };
const HONEST_BYTES_PER_SECOND = 8_000_000;
const HONEST_START_MILLISECONDS = 1_000;

const say = (line: string) => process.stdout.write(`${line}\n`);

async function seed({ address, port, near }: StrangerOptions & { as: 'seed' }): Promise<void> {
  for (const [at, name] of TORRENTS.entries()) {
    const content = contentOf(name);
    const { infoHash } = infoOfTorrent(name);
    await systemNetwork.listen(address, port + at, (connection) => {
      const peer = new RawPeer(connection, {
        infoHash,
        take(message, from) {
          if (message.type !== 'request') return;
          const { index, begin, length } = message;
          const offset = index * PIECE_LENGTH + begin;
          from.send({ type: 'piece', index, begin, data: content.subarray(offset, offset + length) });
        },
      });
      peer.greet();
      peer.send({ type: 'haveAll' }, { type: 'unchoke' });
    });
  }
  const group = createSocket({ type: 'udp4', reuseAddr: true });
  group.on('message', (packet) => {
    const cookie = /^cookie: (\w+)/m.exec(packet.toString('latin1'))?.[1];
    if (cookie !== undefined) say(`cookie ${cookie}`);
  });
  group.bind({ address: LSD_GROUP, port: LSD_PORT }, () => {
    group.addMembership(LSD_GROUP, near);
    say('ready');
  });
}

async function watch(): Promise<void> {
  const dials = await Dials.listen();
  say('ready');
  let told = 0;
  setInterval(() => {
    for (; told < dials.all.length; told++) say(`dialled ${dials.all[told]}`);
  }, 100);
}

async function attack(options: Exclude<StrangerOptions, { as: 'seed' | 'watch' }>): Promise<void> {
  const { host, port, near, cookie, socketPath, pid } = options;
  const pace = { bytesPerSecond: HONEST_BYTES_PER_SECOND, pieceLength: PIECE_LENGTH };
  const { infoHash } = infoOfTorrent('honest');
  const honest = startHonest({ ...{ host, port, socketPath, infoHash }, ...pace, content: contentOf('honest') });
  await honest.watch(() => new Promise((resolve) => setTimeout(resolve, HONEST_START_MILLISECONDS)));
  const hashes = Object.fromEntries(TORRENTS.map((name) => [name, infoOfTorrent(name).infoHash]));
  const dials = await Dials.listen();
  const ground = { host, port, near, cookie, dials, hashes: hashes as Record<TorrentName, Buffer> };
  const measured = await measure({ pid, honest }, () => ATTACKS[options.as].run(ground));
  const { closed, wrongBlocks } = honest;
  const report: AttackReport = { ...measured, honest: { closed, wrongBlocks } };
  say(JSON.stringify(report));
  process.exit();
}

const options: StrangerOptions = JSON.parse(process.argv[2] ?? '');
if (options.as === 'seed') await seed(options);
else if (options.as === 'watch') await watch();
else await attack(options);
