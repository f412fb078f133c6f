// Addresses of this machine besides 127.0.0.1, for clients that are particular about whom they dial.
import { execFile, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { promisify } from 'node:util';

const run = promisify(execFile);
const IP = '/usr/sbin/ip';

const taken = new Set<string>();
let watching = false;

function releaseAllAtExit(): void {
  if (watching) return;
  watching = true;
  process.once('exit', () => {
    for (const address of taken) spawnSync(IP, ['address', 'del', `${address}/32`, 'dev', 'lo']);
  });
}

/**
 * A 127.x.y.z nobody else uses; Linux answers to all of them. rtorrent and Transmission keep one peer an address, whatever
 * its port, so peers that share 127.0.0.1 hide each other from them.
 */
export function freshLoopback(): string {
  return `127.${randomInt(1, 255)}.${randomInt(1, 255)}.${randomInt(1, 255)}`;
}

/** An address of this machine outside 127.0.0.0/8, until released. */
export interface Alias {
  readonly address: string;
  release(): Promise<void>;
}

/** An IPv4 address the machine has anyway. */
function ownAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return all.find(({ family, internal, address }) => family === 'IPv4' && !internal && !taken.has(address))?.address;
}

/**
 * An address for trackers and peers that Transmission shall dial, which it never does with 127.x. Root adds 10.231.x.y to
 * the loopback device, reachable from this machine alone; who may not gets an address the machine already has.
 * Throws one sentence when there is neither.
 */
export async function loopbackAlias(): Promise<Alias> {
  releaseAllAtExit();
  const address = `10.231.${randomInt(1, 255)}.${randomInt(1, 255)}`;
  try {
    await run(IP, ['address', 'add', `${address}/32`, 'dev', 'lo']);
  } catch (cause) {
    const own = ownAddress();
    if (own !== undefined) return { address: own, release: async () => undefined };
    throw new Error('Transmission needs an address outside 127.x: run as root or give this machine a network.', {
      cause,
    });
  }
  taken.add(address);
  return {
    address,
    async release() {
      if (taken.delete(address)) await run(IP, ['address', 'del', `${address}/32`, 'dev', 'lo']);
    },
  };
}
