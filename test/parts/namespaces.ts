// Two network namespaces, joined by two links, for tests of which way traffic takes. Needs root, as apt does.
import { execFile, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { promisify } from 'node:util';

const run = promisify(execFile);
const IP = '/usr/sbin/ip';

const made = new Set<string>();
let watching = false;

function removeAllAtExit(): void {
  if (watching) return;
  watching = true;
  process.once('exit', () => {
    for (const name of made) spawnSync(IP, ['netns', 'del', name]);
  });
}

/**
 * `here` has two ways to `there`: tun0, the better one, and eth0, its default route. `there` has an address besides those
 * of the links, `far`, that is reached by either.
 */
export interface Namespaces {
  readonly here: string;
  readonly there: string;
  /** Addresses of `here` by link. */
  readonly tunnel: string;
  readonly ethernet: string;
  readonly far: string;
  /** `ip <words>` in `here`. */
  ip(...words: string[]): Promise<string>;
  /** Gives both ends of tun0 an IPv6 address too. */
  addIpv6(): Promise<{ readonly here: string; readonly there: string }>;
  /** Gives tun0 its address and the route to `far`, as at the beginning. */
  connectTunnel(): Promise<void>;
  /** Packets, of whatever kind, that `there` received over a link. */
  received(link: 'tun0' | 'eth0'): Promise<number>;
  /** Sends one packet to `far` from `here`, by the route that the system takes. */
  send(): Promise<void>;
  remove(): Promise<void>;
}

const TUNNEL_IPV6 = { here: 'fd77:1::2', there: 'fd77:1::1' };
const TUNNEL = { here: '10.77.1.2', there: '10.77.1.1' };
const ETHERNET = { here: '10.77.2.2', there: '10.77.2.1' };
const FAR = '10.99.0.1';

export async function makeNamespaces(): Promise<Namespaces> {
  removeAllAtExit();
  const name = `bae${process.pid}x${randomInt(1_000_000)}`;
  const [here, there] = [`${name}a`, `${name}b`];
  const ip = async (namespace: string, ...words: string[]) => (await run(IP, ['-n', namespace, ...words])).stdout;
  for (const one of [here, there]) {
    await run(IP, ['netns', 'add', one]);
    made.add(one);
    // Nothing but what the test does is to cross the links, which take this over when they are made.
    await run(IP, ['netns', 'exec', one, 'sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=1']);
    await ip(one, 'link', 'set', 'lo', 'up');
  }
  for (const [link, ends] of Object.entries({ tun0: TUNNEL, eth0: ETHERNET })) {
    await ip(here, 'link', 'add', link, 'type', 'veth', 'peer', 'name', link, 'netns', there);
    for (const [one, address] of [
      [here, ends.here],
      [there, ends.there],
    ] as const) {
      await ip(one, 'address', 'add', `${address}/24`, 'dev', link);
      await ip(one, 'link', 'set', link, 'up');
    }
  }
  await ip(there, 'address', 'add', `${FAR}/32`, 'dev', 'tun0');
  await ip(here, 'route', 'add', 'default', 'via', ETHERNET.there);
  await ip(here, 'route', 'add', FAR, 'via', TUNNEL.there);
  return {
    ...{ here, there, tunnel: TUNNEL.here, ethernet: ETHERNET.here, far: FAR },
    ip: (...words) => ip(here, ...words),
    async addIpv6() {
      for (const [one, address] of [
        [here, TUNNEL_IPV6.here],
        [there, TUNNEL_IPV6.there],
      ] as const) {
        await run(IP, ['netns', 'exec', one, 'sysctl', '-qw', 'net.ipv6.conf.tun0.disable_ipv6=0']);
        // Nobody else can have it, and what is being checked cannot be bound.
        await ip(one, 'address', 'add', `${address}/64`, 'dev', 'tun0', 'nodad');
      }
      return TUNNEL_IPV6;
    },
    async connectTunnel() {
      await ip(here, 'address', 'add', `${TUNNEL.here}/24`, 'dev', 'tun0');
      await ip(here, 'route', 'add', FAR, 'via', TUNNEL.there);
    },
    async received(link) {
      const [told] = JSON.parse(await ip(there, '-j', '-s', 'link', 'show', link));
      return Number(told.stats64.rx.packets);
    },
    async send() {
      await run(IP, ['netns', 'exec', here, 'bash', '-c', `echo > /dev/udp/${FAR}/9`]);
    },
    async remove() {
      for (const one of [here, there]) {
        await run(IP, ['netns', 'del', one]);
        made.delete(one);
      }
    },
  };
}
