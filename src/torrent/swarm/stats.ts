import type { Bitfield } from '../../lib/bitfield.ts';
import type { Info } from '../metainfo/index.ts';
import type { ByteRange } from '../ports.ts';
import { clientName } from '../wire/index.ts';
import type { TorrentLoop } from './loop.ts';
import type { PeerSession } from './session.ts';
import type { PeerStats } from './types.ts';

/** Bytes of the pieces that are there; none before the store is open. */
export function hadBytes(info: Info, have: Bitfield | undefined): number {
  if (have === undefined) return 0;
  const last = info.pieceCount - 1;
  const short = have.has(last) ? info.pieceLength - info.pieceBytes(last) : 0;
  return have.count * info.pieceLength - short;
}

/** Whether all pieces that hold bytes of the range are there. */
export function hasRange(info: Info, have: Bitfield, { offset, length }: ByteRange): boolean {
  if (offset + length > info.totalLength) return false;
  const last = Math.floor((offset + length - 1) / info.pieceLength);
  for (let index = Math.floor(offset / info.pieceLength); index <= last; index++) if (!have.has(index)) return false;
  return true;
}

/** What goes on between a torrent and its peers now. */
export function loopStats(loop: TorrentLoop) {
  const peerList = [...loop.sessions].map(peerStats);
  let requestsInFlight = 0;
  for (const session of loop.sessions) requestsInFlight += session.requests.inFlight.size;
  return {
    wastedBytes: loop.wastedBytes,
    peers: peerList.length,
    peerList,
    uploadBytesPerSecond: loop.uploaded.bytesPerSecond,
    downloadBytesPerSecond: loop.downloaded.bytesPerSecond,
    requestsInFlight,
    waiting: loop.downloader?.waiting ?? null,
  };
}

/** One peer for people. */
function peerStats(session: PeerSession): PeerStats {
  const { uploader, requests, connection } = session;
  return {
    host: connection.remoteAddress,
    port: connection.remotePort,
    client: session.extensions?.client ?? clientName(session.peerId),
    incoming: session.dialled === null,
    encryption: connection.encryption ?? 'plain',
    progress: session.pieces.progress,
    uploadedBytes: uploader?.rate.total ?? 0,
    downloadedBytes: requests.rate.total,
    uploadBytesPerSecond: uploader?.rate.bytesPerSecond ?? 0,
    downloadBytesPerSecond: requests.rate.bytesPerSecond,
    interested: session.interested,
    interesting: session.interesting,
    choked: uploader?.choking ?? true,
    choking: session.choking,
  };
}
