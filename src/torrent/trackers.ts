import {
  AnnounceScheduler,
  createResolver,
  HttpTracker,
  type SchedulerOptions,
  type TrackerClient,
  UdpTracker,
} from './discovery/index.ts';
import type { SourceAddress } from './ports.ts';
import type { Encryption } from './swarm/index.ts';

export interface TrackersOptions extends Omit<SchedulerOptions, 'clients'> {
  /** Told to HTTP trackers behind our name: like 0.1.0. */
  readonly version: string;
  /** How peers may come; HTTP trackers are told. */
  readonly encryption: Encryption;
  /** Where announces must come from; absent: the system's choice. */
  readonly source?: SourceAddress;
}

/** Announces to trackers of every kind that is known here: http, https and udp. */
export function createTrackers(options: TrackersOptions): { scheduler: AnnounceScheduler; close(): void } {
  const { clock, random, allowPrivateAddresses, version, encryption } = options;
  const from = options.source === undefined ? {} : { source: options.source };
  const resolver = createResolver(allowPrivateAddresses, options.source);
  const http = new HttpTracker({ resolver, userAgent: `bae/${version}`, encryption, ...from });
  const udp = new UdpTracker({ resolver, clock, random, ...from });
  const clients = new Map<string, TrackerClient>([
    ['http:', http],
    ['https:', http],
    ['udp:', udp],
  ]);
  const scheduler = new AnnounceScheduler({ ...options, clients });
  return {
    scheduler,
    close: () => {
      scheduler.close();
      http.close();
      udp.close();
    },
  };
}
