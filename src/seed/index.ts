export { type JournalDeps, SessionJournal } from './journal.ts';
export { type SeederDeps, type SeedView, TorrentSeeder } from './seeder.ts';
