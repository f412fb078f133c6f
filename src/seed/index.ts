export { DhtMemory, type DhtMemoryDeps } from './dht-memory.ts';
export { type JournalDeps, openJournal, type SessionJournal } from './journal.ts';
export { type SeederDeps, type SeedView, TorrentSeeder } from './seeder.ts';
