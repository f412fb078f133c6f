import { lookup as systemLookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { isPublicAddress } from '../../lib/addresses.ts';
import type { SourceAddress } from '../ports.ts';
import { type Resolver, TrackerError } from './ports.ts';

interface Found {
  address: string;
  family: number;
}

/**
 * Looks names up with the system's resolver and hands out only addresses that may be spoken to. Applied at each connect,
 * redirects too, so a name that turns to a private address between two looks (DNS rebinding) is refused. With a `source`,
 * only addresses that can be spoken to from there are handed out, and while it has none, no name is looked up at all.
 */
export function createResolver(allowPrivateAddresses: boolean, source?: SourceAddress): Resolver {
  const isReachable = (family: number) => source === undefined || source.localAddress(family === 6 ? 6 : 4) !== null;
  const isDown = () => !isReachable(4) && !isReachable(6);
  const allowed = (found: readonly Found[]) =>
    found.filter(({ address, family }) => isReachable(family) && (allowPrivateAddresses || isPublicAddress(address)));
  const refuse = (host: string) =>
    new TrackerError(
      'unreachable',
      isDown()
        ? 'the network that bae is bound to is not there'
        : `${host} is a private address, and BAE_ALLOW_PRIVATE_ADDRESSES is not set, or not of the network that bae is bound to`,
    );

  const lookup: LookupFunction = (host, options, callback) => {
    if (isDown()) {
      callback(refuse(host) as NodeJS.ErrnoException, '', 0);
      return;
    }
    systemLookup(host, { ...options, all: true }, (error, found) => {
      const usable = error === null ? allowed(found) : [];
      const first = usable[0];
      if (error !== null) callback(error, '', 0);
      else if (first === undefined) callback(refuse(host) as NodeJS.ErrnoException, '', 0);
      else if (options.all === true) callback(null, usable);
      else callback(null, first.address, first.family);
    });
  };

  return {
    lookup,
    resolve: (given) =>
      new Promise((resolve, reject) => {
        const host = given.replace(/^\[|\]$/g, '');
        const settle = (found: readonly Found[]) => {
          const usable = allowed(found) as { address: string; family: 4 | 6 }[];
          if (usable.length === 0) reject(refuse(host));
          else resolve(usable);
        };
        const family = isIP(host);
        if (isDown()) reject(refuse(host));
        else if (family !== 0) settle([{ address: host, family }]);
        else {
          systemLookup(host, { all: true }, (error, found) => {
            if (error === null) settle(found);
            else reject(new TrackerError('unreachable', `${host} has no address (${error.code})`));
          });
        }
      }),
  };
}

/**
 * Finds the addresses of peers that a person names. An address is its own, whatever network it is of; a name waits while
 * the bound address is gone, since nobody may be asked for it then. Rejects with a TrackerError where a name has none.
 */
export function createPeerLookup(source?: SourceAddress): (host: string) => Promise<readonly string[]> {
  const resolver = createResolver(true, source);
  return async (host) => {
    if (isIP(host) !== 0) return [host];
    if (source !== undefined) await isThere(source);
    return (await resolver.resolve(host)).map(({ address }) => address);
  };
}

/** Resolves once there is an address to send from. */
function isThere(source: SourceAddress): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (source.localAddress(4) === null && source.localAddress(6) === null) return;
      stop();
      resolve();
    };
    const stop = source.onChange(look);
    look();
  });
}
