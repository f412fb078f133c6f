import type { Database } from '../../src/db/index.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { systemRandom } from '../../src/lib/random.ts';
import { openVault, type Vault } from '../../src/vault/index.ts';
import { CHUNK_OBJECT_BYTES, inlineSealer, sealFiles } from '../../src/vault/seal/index.ts';
import { type FaultyStore, faultyStore, memoryStore } from '../../src/vault/store/index.ts';

export type TestStore = FaultyStore;

/** Objects in memory that outlive a vault, with faults to inject. */
export function testStore(): TestStore {
  return faultyStore(memoryStore(), systemClock);
}

/** A real vault, small, over a store that a test keeps. */
export function memoryVault(parts: { database: Database; store: TestStore; dataDir: string }): Promise<Vault> {
  return openVault({
    ...parts,
    cacheBytes: 64 * CHUNK_OBJECT_BYTES,
    pinBytes: 32 * CHUNK_OBJECT_BYTES,
    ramCacheBytes: 4 * 2 ** 20,
    spoolBytes: 32 * CHUNK_OBJECT_BYTES,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    sealer: inlineSealer(sealFiles),
    describe: async () => ({ torrents: [], releases: [] }),
  });
}
