// Addresses of this machine that are not 127.x, for clients that refuse to dial loopback.
import { execFile, execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ATTEMPTS = 8;

const taken = new Set<string>();
let watching = false;

function releaseAllAtExit(): void {
  if (watching) return;
  watching = true;
  process.once('exit', () => {
    for (const address of taken) execFileSync('/usr/sbin/ip', ['address', 'del', `${address}/32`, 'dev', 'lo']);
  });
}

/**
 * A 127.x.y.z nobody else uses; Linux answers to all of them. rtorrent and Transmission keep one peer an address, whatever
 * its port, so peers that share 127.0.0.1 hide each other from them.
 */
export function freshLoopback(): string {
  return `127.${randomInt(1, 255)}.${randomInt(1, 255)}.${randomInt(1, 255)}`;
}

/** An address that lives on the loopback device until released. */
export interface Alias {
  readonly address: string;
  release(): Promise<void>;
}

/**
 * Gives this machine a further address 10.231.x.y on its loopback device, reachable from this machine alone.
 * Transmission never dials 127.x: a tracker and peers that listen here are real addresses to it. Root only.
 */
export async function loopbackAlias(): Promise<Alias> {
  if (process.getuid?.() !== 0)
    throw new Error('Only root can add an address to the loopback device, which Transmission needs.');
  releaseAllAtExit();
  for (let attempt = 1; ; attempt++) {
    const address = `10.231.${randomInt(1, 255)}.${randomInt(1, 255)}`;
    try {
      await run('/usr/sbin/ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
    } catch (error) {
      if (attempt >= ATTEMPTS) throw error;
      continue;
    }
    taken.add(address);
    return {
      address,
      async release() {
        if (!taken.delete(address)) return;
        await run('/usr/sbin/ip', ['address', 'del', `${address}/32`, 'dev', 'lo']);
      },
    };
  }
}
