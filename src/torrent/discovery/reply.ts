import { errorMessage } from '../../lib/errors.ts';
import { type BencodeValue, decode, type HostPort } from '../metainfo/index.ts';
import { addressBytes, decodeCompactPeers4, decodeCompactPeers6 } from '../wire/index.ts';
import { DEFAULT_INTERVAL_SECONDS, PEERS_PER_REPLY, REPLY_BYTES } from './limits.ts';
import { type AnnounceReply, TrackerError } from './ports.ts';
import { trackerWords } from './words.ts';

/** Values and keys of one reply: 500 peers as dictionaries, with room to spare. */
const REPLY_TOKENS = 20_000;
const REPLY_DEPTH = 8;
const SECONDS_A_MINUTE = 60;
const FIRST_ERROR_STATUS = 400;

/**
 * Reads a tracker's HTTP reply (BEP 3, 7, 23, 31). `urls` led to it, the last of them gave it; messages name its host and
 * hold no secret of any. A failure reason counts whatever the status is; a reply that is not bencode is told with the
 * status.
 * @throws TrackerError
 */
export function parseReply(body: Buffer, urls: readonly URL[], status: number): AnnounceReply {
  const host = urls.at(-1)?.host ?? '';
  let reply: BencodeValue;
  try {
    reply = decode(body, { maxBytes: REPLY_BYTES, maxDepth: REPLY_DEPTH, maxTokens: REPLY_TOKENS });
    if (reply.get('failure reason') === undefined && status === 200) return readReply(reply, urls);
  } catch (error) {
    const what = status === 200 ? `the reply of ${host} is malformed: ${errorMessage(error)}` : ofStatus(host, status);
    throw new TrackerError('unreachable', what, null, status >= FIRST_ERROR_STATUS);
  }
  throw failure(reply, urls, ofStatus(host, status));
}

const ofStatus = (host: string, status: number) => `${host} answers with status ${status}`;

function readReply(reply: BencodeValue, urls: readonly URL[]): AnnounceReply {
  const count = (key: string) => reply.get(key)?.integer(0) ?? null;
  const warning = reply.get('warning message');
  const trackerId = reply.get('tracker id');
  return {
    intervalSeconds: count('interval') ?? DEFAULT_INTERVAL_SECONDS,
    minIntervalSeconds: count('min interval'),
    seeders: count('complete'),
    leechers: count('incomplete'),
    peers: [...readPeers(reply.get('peers')), ...readPeers6(reply.get('peers6'))].slice(0, PEERS_PER_REPLY),
    warning: warning === undefined ? null : trackerWords(warning.text(), urls),
    trackerId: trackerId === undefined ? null : Buffer.from(trackerId.bytes()),
  };
}

function readPeers(peers: BencodeValue | undefined): HostPort[] {
  if (peers === undefined) return [];
  if (peers.kind === 'bytes') return decodeCompactPeers4(peers.bytes());
  const found: HostPort[] = [];
  for (const peer of peers.list()) {
    const host = peer.need('ip').text();
    const port = peer.need('port').integer(0, 65_535);
    // A name in place of an address (BEP 3 allows it) would make us look up whatever a tracker likes: left out.
    if (addressBytes(host) !== null && port > 0) found.push({ host, port });
  }
  return found;
}

function readPeers6(peers: BencodeValue | undefined): HostPort[] {
  return peers === undefined ? [] : decodeCompactPeers6(peers.bytes());
}

function failure(reply: BencodeValue, urls: readonly URL[], otherwise: string): TrackerError {
  const reason = reply.get('failure reason');
  const words = reason?.kind === 'bytes' ? trackerWords(reason.text(), urls) : '';
  const message = words === '' ? otherwise : words;
  // BEP 31: a number of minutes, or the word never.
  const retry = reply.get('retry in');
  if (retry?.kind === 'bytes' && retry.text() === 'never') return new TrackerError('never', message);
  const minutes = retry === undefined ? Number.NaN : Number(numberText(retry));
  // Ocelot and UNIT3D say with a refusal when to come again.
  const least = reply.get('min interval');
  const seconds = least === undefined ? Number.NaN : Number(numberText(least));
  const wishes = [minutes * SECONDS_A_MINUTE, seconds].filter((wish) => wish > 0);
  return new TrackerError('refused', message, wishes.length === 0 ? null : Math.max(...wishes));
}

/** The digits of a number, however large, or a text. */
function numberText(value: BencodeValue): string {
  const raw = value.kind === 'bytes' ? value.text() : value.raw.toString('latin1');
  return value.kind === 'integer' ? raw.slice(1, -1) : raw;
}
