import {
  AnnounceScheduler,
  createResolver,
  HttpTracker,
  type SchedulerOptions,
  type TrackerClient,
  UdpTracker,
} from './discovery/index.ts';

export interface TrackersOptions extends Omit<SchedulerOptions, 'clients'> {
  /** Told to HTTP trackers behind our name: like 0.1.0. */
  readonly version: string;
}

/** Announces to trackers of every kind that is known here: http, https and udp. */
export function createTrackers(options: TrackersOptions): { scheduler: AnnounceScheduler; close(): void } {
  const { clock, random, allowPrivateAddresses, version } = options;
  const resolver = createResolver(allowPrivateAddresses);
  const http = new HttpTracker({ resolver, userAgent: `bae/${version}` });
  const udp = new UdpTracker({ resolver, clock, random });
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
