import * as vitest from 'vitest';
import { storeConformance } from './conformance.ts';
import { memoryStore } from './memory.ts';

storeConformance(vitest, 'the memory store', { open: async () => memoryStore(), listedObjects: 1_100 });
