import { API } from './api.ts';
import { DHT } from './dht.ts';
import { DISCOVERY } from './discovery.ts';
import type { Target } from './driver.ts';
import { METAINFO } from './metainfo.ts';
import { MSE } from './mse.ts';
import { SESSION } from './session.ts';
import { SETTINGS } from './settings.ts';
import { TAGS } from './tags.ts';
import { VAULT } from './vault.ts';
import { WIRE } from './wire.ts';

/** Every parser of bytes that come from outside. A room that reads more adds its own. */
export const TARGETS: readonly Target[] = [
  ...METAINFO,
  ...WIRE,
  ...MSE,
  ...SESSION,
  ...DISCOVERY,
  ...DHT,
  ...SETTINGS,
  ...VAULT,
  ...TAGS,
  ...API,
];
