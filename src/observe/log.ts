import { pino } from 'pino';
import { errorMessage } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** The program's log: one JSON object a line on standard error. */
export function createLog(level: LogLevel): Log {
  const stderr = 2;
  const target = pino.destination({ dest: stderr, sync: true });
  // An Error has no fields of its own to be written: its words are.
  const serializers = { error: errorMessage };
  const logger = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime, serializers }, target);
  return {
    debug: (message, fields) => logger.debug(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    error: (message, fields) => logger.error(fields ?? {}, message),
  };
}
