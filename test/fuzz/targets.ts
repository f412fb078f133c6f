import { DISCOVERY } from './discovery.ts';
import type { Target } from './driver.ts';
import { METAINFO } from './metainfo.ts';
import { WIRE } from './wire.ts';

/** Every parser of what strangers send. A room that reads more adds its own. */
export const TARGETS: readonly Target[] = [...METAINFO, ...WIRE, ...DISCOVERY];
