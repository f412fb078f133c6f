import { parseByteSize } from '../config.ts';
import type { LimitsView, SettingsChanges, SettingsView } from '../http/ports.ts';
import { BaeError } from '../lib/errors.ts';
import type { Context } from './context.ts';
import { bytes, clean, table } from './print.ts';

type LimitName = keyof SettingsChanges;

/** Keys of `bae set` and the API's names for them: those of a torrent, and those of all of bae. */
const TORRENT_KEYS: Readonly<Record<string, LimitName>> = {
  upload: 'uploadBytesPerSecond',
  download: 'downloadBytesPerSecond',
};
const GLOBAL_KEYS: Readonly<Record<string, LimitName>> = {
  ...TORRENT_KEYS,
  peer_upload: 'peerUploadBytesPerSecond',
  egress_per_day: 'egressBytesPerDay',
};

/**
 * `bae set <id | global> key=SIZE…`: the limits of a torrent, of each torrent of a release or of what an import brings, or
 * those over all. Without keys they are shown.
 */
export async function runSet(context: Context, id: string, pairs: readonly string[]): Promise<void> {
  if (id === 'global') {
    const changes = parse(pairs, GLOBAL_KEYS);
    const settings = await (pairs.length === 0
      ? context.client.get<SettingsView>('/settings')
      : context.client.patch<SettingsView>('/settings', changes));
    context.print(settings, globalWords(settings));
    return;
  }
  const changes = parse(pairs, TORRENT_KEYS);
  const kind = id.startsWith('i') ? 'imports' : 'torrents';
  const limits = await context.client.patch<LimitsView[]>(`/${kind}/${encodeURIComponent(id)}`, changes);
  context.print(limits, limits.map(limitWords).join('\n'));
}

function parse(pairs: readonly string[], keys: Readonly<Record<string, LimitName>>): SettingsChanges {
  const changes: { [Name in LimitName]?: number } = {};
  for (const pair of pairs) {
    const [key = '', value, ...rest] = pair.split('=');
    const name = Object.hasOwn(keys, key) ? keys[key] : undefined;
    if (name === undefined || value === undefined || rest.length > 0) {
      const known = Object.keys(keys).map((one) => `${one}=SIZE`);
      throw new BaeError('bad-input', `There is no setting ${pair}: write ${known.join(' or ')}.`);
    }
    const size = parseByteSize(value);
    if (size === null)
      throw new BaeError('bad-input', `${value} is not a size: write a number of bytes, or 500KB, 2MiB.`);
    changes[name] = size;
  }
  return changes;
}

/** A torrent's limits in words. */
function limitWords({ id, uploadBytesPerSecond: up, downloadBytesPerSecond: down }: LimitsView): string {
  return `${id}: upload ${words(up, '/s')}, download ${words(down, '/s')}`;
}

function globalWords(settings: SettingsView): string {
  return table(
    Object.entries(GLOBAL_KEYS).map(([key, name]) => {
      const where = settings.fixed[name];
      const fixed = where === undefined ? '' : ` (set by ${clean(where)})`;
      return [key, `${words(settings[name], name === 'egressBytesPerDay' ? ' a day' : '/s')}${fixed}`];
    }),
  );
}

const words = (size: number, per: string) => (size === 0 ? 'no limit' : `${bytes(size)}${per}`);
