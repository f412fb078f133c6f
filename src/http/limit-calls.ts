import type { ImportManager } from '../import/index.ts';
import type { LibraryManager } from '../library/index.ts';
import type { TorrentSeeder } from '../seed/index.ts';
import type { Settings } from '../settings/index.ts';
import { parseId } from './ids.ts';
import type { Application, LimitChanges, LimitsView, SettingsView } from './ports.ts';

export interface LimitParts {
  readonly imports: ImportManager;
  readonly library: LibraryManager;
  readonly seeder: TorrentSeeder;
  readonly settings: Settings;
}

/** What the outside may ask of limits: those over all, and those of torrents, on their way into the library too. */
export function limitCalls(parts: LimitParts): Pick<Application, 'setLimits' | 'settings' | 'setSettings'> {
  const { imports, library, settings } = parts;
  return {
    settings: () => settingsView(settings),
    setSettings: async (changes) => {
      await settings.setLimits(changes);
      return settingsView(settings);
    },
    setLimits: async (id, limits) => {
      const { kind, number } = parseId(id, 'tri');
      if (kind === 'i') {
        const { state, torrentId } = await imports.get(number);
        if (state === 'done' && torrentId !== null) return [await setOf(parts, torrentId, limits)];
        return [{ ...(await imports.setLimits(number, limits)), id }];
      }
      const views: LimitsView[] = [];
      const ids = kind === 't' ? [number] : await library.torrentsOfRelease(number);
      for (const torrent of ids) views.push(await setOf(parts, torrent, limits));
      return views;
    },
  };
}

/** Of a torrent that is in the library, or that an import is bringing. */
async function setOf(parts: LimitParts, torrent: number, limits: LimitChanges): Promise<LimitsView> {
  const { imports, library, seeder } = parts;
  const id = `t${torrent}`;
  const bringing = await imports.bringing(torrent);
  if (bringing !== null) return { ...(await imports.setLimits(bringing, limits)), id };
  await seeder.setLimits(torrent, limits);
  const { uploadBytesPerSecond, downloadBytesPerSecond } = await library.torrent(torrent);
  return { id, uploadBytesPerSecond, downloadBytesPerSecond };
}

function settingsView({ limits, fixed }: Settings): SettingsView {
  return { ...limits, fixed: Object.fromEntries(Object.entries(fixed).map(([name, { where }]) => [name, where])) };
}
