import { type ConfigKey, loadConfig } from '../config.ts';
import { type Client, createClient } from './client.ts';

/** What every command gets: how to print, and a client made when it is first needed. */
export interface Context {
  readonly json: boolean;
  readonly client: Client;
  /** Prints the value as JSON, or the words for a person. */
  print(value: unknown, words: string): void;
}

export interface GlobalFlags {
  readonly json?: boolean;
  readonly data?: string;
}

/** @throws BaeError bad-input for a wrong configuration */
export function createContext(flags: GlobalFlags): Context {
  const given: Partial<Record<ConfigKey, string>> = flags.data === undefined ? {} : { data: flags.data };
  const config = loadConfig({ flags: given, environment: process.env });
  const json = flags.json === true;
  return {
    json,
    client: createClient({ url: config.url ?? null, token: config.token ?? null, data: config.data }),
    print: (value, words) => {
      process.stdout.write(json ? `${JSON.stringify(value)}\n` : words === '' ? '' : `${words}\n`);
    },
  };
}
