import { Binding, type BindingOptions } from './binding.ts';
import { boundDatagrams, boundMulticast, boundNetwork } from './bound-network.ts';
import { systemDatagrams } from './datagrams.ts';
import { systemMulticast } from './multicast.ts';
import { systemNetwork } from './net.ts';
import type { DatagramNetwork, MulticastNetwork, Network } from './ports.ts';

/** The system's networks, for peers, trackers, DHT and the local network. */
export interface Networks {
  readonly peers: Network;
  readonly datagrams: DatagramNetwork;
  readonly multicast: MulticastNetwork;
  /** Null: whatever way the system takes. */
  readonly binding: Binding | null;
}

/** All of them from one interface or address alone if one is `wanted`, failing closed. */
export function createNetworks(options: Omit<BindingOptions, 'wanted'> & { readonly wanted: string | null }): Networks {
  const { wanted, log } = options;
  if (wanted === null) {
    return { peers: systemNetwork, datagrams: systemDatagrams, multicast: systemMulticast, binding: null };
  }
  const binding = new Binding({ ...options, wanted });
  return {
    peers: boundNetwork(systemNetwork, binding, log),
    datagrams: boundDatagrams(systemDatagrams, binding, log),
    multicast: boundMulticast(systemMulticast, binding),
    binding,
  };
}
