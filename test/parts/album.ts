import { createCipheriv, createHash } from 'node:crypto';
import { bencode } from './torrent.ts';

export const PIECE_BYTES = 65_536;
export const TRACKER = 'http://tracker.example/secret/announce';

/** A torrent with content, as its uploader has it. */
export interface Album {
  readonly name: string;
  /** Hex. */
  readonly infoHash: string;
  readonly rawInfo: Buffer;
  readonly torrent: Buffer;
  readonly magnet: string;
  readonly content: Buffer;
}

type FileList = readonly (readonly [name: string, content: number | Buffer])[];

/** A torrent of these files: bytes, or how many of them. */
export function album(
  name: string,
  files: FileList = [
    ['01 - One.flac', 400_000],
    ['02 - Two.flac', 900_000],
  ],
): Album {
  const noise = createCipheriv('aes-128-ctr', createHash('md5').update(name).digest(), Buffer.alloc(16));
  const bodies = files.map(([, body]) => (typeof body === 'number' ? noise.update(Buffer.alloc(body)) : body));
  const content = Buffer.concat(bodies);
  const pieces: Buffer[] = [];
  for (let at = 0; at < content.length; at += PIECE_BYTES) {
    pieces.push(
      createHash('sha1')
        .update(content.subarray(at, at + PIECE_BYTES))
        .digest(),
    );
  }
  const list = files.map(([path], index) => ({ length: (bodies[index] as Buffer).length, path: path.split('/') }));
  const info = { files: list, name, 'piece length': PIECE_BYTES, pieces: Buffer.concat(pieces) };
  const rawInfo = bencode(info);
  const infoHash = createHash('sha1').update(rawInfo).digest('hex');
  return {
    name,
    infoHash,
    rawInfo,
    torrent: bencode({ announce: TRACKER, info }),
    magnet: `magnet:?xt=urn:btih:${infoHash}&dn=${encodeURIComponent(name)}&tr=${encodeURIComponent(TRACKER)}`,
    content,
  };
}
