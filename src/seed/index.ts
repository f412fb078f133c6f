export { type CounterRecord, decodeRecords, encodeRecord } from './counter-record.ts';
export { DhtMemory, type DhtMemoryDeps } from './dht-memory.ts';
export { type JournalDeps, openJournal, type SessionJournal } from './journal.ts';
export { type SeederDeps, TorrentSeeder } from './seeder.ts';
export type { SeedView } from './seeds-deps.ts';
