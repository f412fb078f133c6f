import type { Transaction } from 'kysely';
import type { Schema } from '../schema.ts';
import { firstLight } from './0001-first-light.ts';
import { manifestChanges } from './0002-manifest-changes.ts';
import { rateLimits } from './0003-rate-limits.ts';

/** In order; a file's version is how many of them it has seen. Never changed once released, only added to. */
export const migrations: readonly ((db: Transaction<Schema>) => Promise<void>)[] = [
  firstLight,
  manifestChanges,
  rateLimits,
];
