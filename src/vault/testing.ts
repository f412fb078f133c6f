// For tests of manifests: a library that changes, and a stranger who reads what the store has of it.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { importAlbum, makeAlbum, type Run, Workshop } from '../../test/parts/workshop.ts';
import type { Database } from '../db/index.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { noteManifestChange } from './manifest-changes.ts';
import { MANIFEST_DELAY_MILLISECONDS } from './manifests.ts';
import type { BundleSettings } from './ports.ts';
import { type Manifest, openManifest, openRoot, parseKeyFile, parseManifestName, ROOT_NAME } from './seal/index.ts';

const HURRIED_MILLISECONDS = 20;

/** The system's clock in a hurry, with the manifests' delay kept until a test says that it is over. */
export class DueClock implements Clock {
  readonly #due = new Set<() => void>();
  /** Off: other times are as long as they are. */
  hurries = true;
  now = systemClock.now;
  monotonic = systemClock.monotonic;
  every = systemClock.every;

  after(milliseconds: number, call: () => void) {
    if (milliseconds !== MANIFEST_DELAY_MILLISECONDS)
      return systemClock.after(this.hurries ? Math.min(milliseconds, HURRIED_MILLISECONDS) : milliseconds, call);
    const due = () => call();
    this.#due.add(due);
    return { cancel: () => void this.#due.delete(due) };
  }

  get waiting(): number {
    return this.#due.size;
  }

  pass(): void {
    const due = [...this.#due];
    this.#due.clear();
    for (const call of due) call();
  }
}

/** A library that changes its mind, and one committed bundle of it. `database`: what `options` has a decorator of. */
export async function library(options: Workshop['options'] = {}, database?: Database) {
  const workshop = await Workshop.make();
  const clock = new DueClock();
  workshop.clock = clock;
  workshop.options = options;
  const says = { title: 'first' };
  const infoHash = Buffer.alloc(20, 3).toString('hex');
  const settings = (): BundleSettings => ({
    torrents: [{ infoHash, trackers: [['http://tracker.example/announce']], seeding: { title: says.title } }],
    releases: [{ title: says.title }],
  });
  workshop.describe = async () => settings();
  const started = await workshop.start();
  const run = { ...started, database: database ?? started.database };
  const album = await makeAlbum(run.database, 100_000, 50_000);
  const { bundle, handle } = await importAlbum(run.vault, { ...album, content: { ...album.content, ...settings() } });
  clock.pass();
  /** A change as the library makes it; resolves when it is saved. */
  const change = async ({ vault, database }: Run, title: string) => {
    says.title = title;
    await database.db.transaction().execute((trx) => noteManifestChange(trx, [bundle]));
    vault.manifestChanged(bundle);
  };
  return { workshop, clock, run, album, bundle, handle, change };
}

/** All generations in the store, opened as a stranger with the key would; each must follow from the one before. */
export async function generations(workshop: Workshop): Promise<Manifest[]> {
  const slot = parseKeyFile(await readFile(join(workshop.folder, 'data', 'library.key'), 'utf8'));
  const keys = openRoot(await workshop.objects.get(ROOT_NAME), slot);
  const manifests: Manifest[] = [];
  let previous: Buffer | null = null;
  for (const name of await workshop.names('m/')) {
    const { handle, generation } = parseManifestName(name) as { handle: Buffer; generation: number };
    const sealed = await workshop.objects.get(name);
    const manifest = openManifest(keys, handle, generation, sealed);
    expect(manifest.generation).toBe(manifests.length + 1);
    expect(manifest.previous).toEqual(previous);
    previous = createHash('sha256').update(sealed).digest();
    manifests.push(manifest);
  }
  return manifests;
}

/** What each generation says. */
export const titles = async (workshop: Workshop) =>
  (await generations(workshop)).map(({ releases }) => releases[0]?.title);
/** What is noted as not written yet. */
export const noted = (run: Run) => run.database.db.selectFrom('manifest_changes').selectAll().execute();

/** Lets the delay pass again and again until nothing is noted. */
export async function written(run: Run, clock: DueClock): Promise<void> {
  await expect
    .poll(
      async () => {
        clock.pass();
        return noted(run);
      },
      { interval: 5, timeout: 10_000 },
    )
    .toEqual([]);
}
