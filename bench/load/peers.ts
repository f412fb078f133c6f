// The seeder bae is measured against.
import { type LibtorrentPeer, libtorrent } from '../../test/parts/clients/libtorrent.ts';

const UNLIMITED_CONNECTIONS = 2_000;

/** libtorrent's `high_performance_seed` preset of 1.x and 2.x, by its documented values, and no limit that a benchmark could meet. */
const SEEDING_SETTINGS = {
  connections_limit: UNLIMITED_CONNECTIONS,
  unchoke_slots_limit: UNLIMITED_CONNECTIONS,
  choking_algorithm: 0,
  active_limit: UNLIMITED_CONNECTIONS,
  active_seeds: UNLIMITED_CONNECTIONS,
  max_out_request_queue: 1_500,
  max_allowed_in_request_queue: 2_000,
  max_peerlist_size: 0,
  send_buffer_low_watermark: 10 * 1024,
  send_buffer_watermark: 3 * 1024 * 1024,
  send_buffer_watermark_factor: 150,
  send_socket_buffer_size: 1024 * 1024,
  max_queued_disk_bytes: 7 * 1024 * 1024,
  file_pool_size: 500,
  aio_threads: 8,
  listen_queue_size: 3_000,
  allowed_fast_set_size: 0,
  suggest_mode: 0,
  upload_rate_limit: 0,
  rate_limit_ip_overhead: false,
  close_redundant_connections: false,
  seed_choking_algorithm: 1,
  peer_timeout: 600,
  inactivity_timeout: 600,
  alert_mask: 0,
} as const;

/** libtorrent with `torrentPath` complete in `dataDir`, on a free port of 127.0.0.1, tuned for nothing but seeding. */
export function startTunedSeeder(options: { torrentPath: string; dataDir: string }): Promise<LibtorrentPeer> {
  return libtorrent.seed({ ...options, settings: SEEDING_SETTINGS });
}
