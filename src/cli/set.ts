import { parseByteSize } from '../config.ts';
import type { TorrentView } from '../http/ports.ts';
import { BaeError } from '../lib/errors.ts';
import type { Context } from './context.ts';
import { bytes } from './print.ts';

/** Keys of `bae set` and the API's names for them. */
const KEYS: Readonly<Record<string, 'uploadBytesPerSecond' | 'downloadBytesPerSecond'>> = {
  upload: 'uploadBytesPerSecond',
  download: 'downloadBytesPerSecond',
};

/** `bae set <id> upload=SIZE download=SIZE`: a torrent's own limits, or those of each torrent of a release. */
export async function runSet(context: Context, id: string, pairs: readonly string[]): Promise<void> {
  const changes: Record<string, number> = {};
  for (const pair of pairs) {
    const [key = '', value, ...rest] = pair.split('=');
    const name = Object.hasOwn(KEYS, key) ? KEYS[key] : undefined;
    if (name === undefined || value === undefined || rest.length > 0) {
      throw new BaeError('bad-input', `There is no setting ${pair}: write upload=SIZE or download=SIZE.`);
    }
    const size = parseByteSize(value);
    if (size === null)
      throw new BaeError('bad-input', `${value} is not a size: write a number of bytes, or 500KB, 2MiB.`);
    changes[name] = size;
  }
  const torrents = await context.client.patch<TorrentView[]>(`/torrents/${encodeURIComponent(id)}`, changes);
  context.print(torrents, torrents.map(limitWords).join('\n'));
}

/** A torrent's limits in words. */
function limitWords({ id, uploadBytesPerSecond: up, downloadBytesPerSecond: down }: TorrentView): string {
  const words = (rate: number) => (rate === 0 ? 'no limit' : `${bytes(rate)}/s`);
  return `${id}: upload ${words(up)}, download ${words(down)}`;
}
