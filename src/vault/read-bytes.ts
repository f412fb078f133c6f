import type { Handle, PieceStore, ReadOptions } from '../torrent/ports.ts';

/** Bytes leased at a time, so that a piece of 64 MiB does not pin as much of the RAM cache. */
export const LEASE_BYTES = 1024 * 1024;

/** Bytes of an open torrent, wherever they lie, as a Buffer of its own. Rejects as the store's read does. */
export async function readBytes(
  store: PieceStore,
  handle: Handle,
  offset: number,
  length: number,
  options?: ReadOptions,
): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  for (let at = 0; at < length; at += LEASE_BYTES) {
    const lease = await store.read(handle, offset + at, Math.min(LEASE_BYTES, length - at), options);
    let to = at;
    for (const view of lease.views) to += view.copy(bytes, to);
    lease.release();
  }
  return bytes;
}
