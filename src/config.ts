import { mkdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parse, TomlError } from 'smol-toml';
import { z } from 'zod';
import { isLoopbackAddress, SOCKET_PATH_BYTES } from './lib/addresses.ts';
import { BaeError } from './lib/errors.ts';

/** The commands' way in, in the data folder. */
export const SOCKET_NAME = 'bae.sock';
const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const UNIT_BYTES: Record<string, number> = {
  '': 1,
  b: 1,
  kb: 1000,
  mb: 1000 ** 2,
  gb: 1000 ** 3,
  tb: 1000 ** 4,
  kib: 1024,
  mib: MIB,
  gib: GIB,
  tib: 1024 * GIB,
};

/** Text that is not empty. In bae.toml it stands in quotes. */
const text = z.string({ error: 'must be text in quotes' }).min(1, { error: 'is empty' });

const url = z.url({ error: 'is not a URL' });

const NO_SIZE = 'is not a size: write a number of bytes, or 64MiB, 2GB';
/** The bytes of a size such as 67108864, `64 MiB` or `2GB`; null if it is none. */
export function parseByteSize(given: string): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(given.trim());
  const unit = match === null ? undefined : UNIT_BYTES[(match[2] as string).toLowerCase()];
  const bytes = match === null || unit === undefined ? Number.NaN : Math.floor(Number(match[1]) * unit);
  return Number.isSafeInteger(bytes) ? bytes : null;
}

const byteSize = z.union([z.string(), z.number()], { error: NO_SIZE }).transform((value, context) => {
  const bytes = parseByteSize(String(value));
  if (bytes !== null) return bytes;
  context.addIssue({ code: 'custom', message: NO_SIZE });
  return z.NEVER;
});

const flag = z
  .union([z.boolean(), z.enum(['true', 'false'])], { error: 'must be true or false' })
  .transform((value) => value === true || value === 'true');

const whole = (least: number, most: number) => {
  const error = `must be a whole number from ${least} to ${most}`;
  const digits = z.string().regex(/^\d{1,15}$/, { error });
  return z
    .union([digits, z.number()], { error })
    .transform(Number)
    .pipe(z.int({ error }).min(least, { error }).max(most, { error }));
};

const address = text.transform((value, context) => {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/i.exec(value);
  const port = match === null ? 65_536 : Number(match[3]);
  if (match !== null && port <= 65_535) return { host: (match[1] ?? match[2]) as string, port };
  context.addIssue({ code: 'custom', message: 'is not an address: write HOST:PORT, or [::1]:PORT' });
  return z.NEVER;
});

const addresses = z
  .string({ error: 'must be text' })
  .transform((list) => list.split(',').map((one) => one.trim()))
  .transform((list) => list.filter((one) => one !== ''))
  .pipe(z.array(address));

const YEAR_SECONDS = 31_536_000;

/** Every setting, its form and its default; the flags, the environment and bae.toml all go through this one schema. */
const schema = z.strictObject({
  data: text,
  listen: address.prefault('127.0.0.1:4533'),
  peer_address: text.prefault('0.0.0.0,::').transform((list) => list.split(',').map((host) => host.trim())),
  peer_port: whole(0, 65_535).prefault(51_533),
  peer_interface: text.optional(),
  ip_filter: text.optional(),
  lsd: flag.prefault(true),
  encryption: z.enum(['prefer', 'require', 'off'], { error: 'must be prefer, require or off' }).prefault('prefer'),
  dht: flag.prefault(true),
  dht_bootstrap: addresses.prefault('router.bittorrent.com:6881,dht.libtorrent.org:25401,dht.transmissionbt.com:6881'),
  store: text.optional(),
  database: text.optional(),
  cache_bytes: byteSize.prefault(10 * GIB),
  pin_bytes: byteSize.optional(),
  spool_bytes: byteSize.prefault(GIB),
  ram_cache_bytes: byteSize.prefault(64 * MIB),
  upload_bytes_per_second: byteSize.prefault(0),
  download_bytes_per_second: byteSize.prefault(0),
  peer_upload_bytes_per_second: byteSize.prefault(0),
  egress_bytes_per_day: byteSize.prefault(0),
  anti_leech: flag.prefault(false),
  import_stall_seconds: whole(1, YEAR_SECONDS).prefault(86_400),
  musicbrainz_url: url.prefault('https://musicbrainz.org'),
  discogs_url: url.prefault('https://api.discogs.com'),
  discogs_token: text.optional(),
  coverart_url: url.prefault('https://coverartarchive.org'),
  token: text.min(16, { error: 'must have at least 16 characters' }).optional(),
  url: url.optional(),
  allow_private_addresses: flag.prefault(false),
  limit_loopback: flag.prefault(false),
  log_level: z
    .enum(['debug', 'info', 'warn', 'error'], { error: 'must be debug, info, warn or error' })
    .prefault('info'),
});

export type ConfigKey = keyof z.input<typeof schema>;
type Values = z.output<typeof schema>;

/** The whole configuration, checked, defaults filled in. Sizes are bytes. */
export interface Config extends Omit<Values, 'store' | 'database' | 'pin_bytes'> {
  readonly store: string;
  readonly database: string;
  readonly pin_bytes: number;
  /** Of what is no default: the flag, variable or file that said it. */
  readonly origins: { readonly [Key in ConfigKey]?: string };
}

const KEYS = Object.keys(schema.shape) as ConfigKey[];

export interface ConfigSources {
  /** Values of command line flags, by key. */
  readonly flags: Partial<Record<ConfigKey, string>>;
  readonly environment: Record<string, string | undefined>;
}

/**
 * Reads flags > BAE_* environment (and BAE_*_FILE) > bae.toml in the data folder > defaults.
 * @throws BaeError bad-input naming the key and where it was set; unknown keys are errors
 */
export function loadConfig(sources: ConfigSources): Config {
  const environment = fromEnvironment(sources.environment);
  const data = sources.flags.data ?? environment.data ?? defaultDataFolder(sources.environment);
  const file = fromFile(join(data, 'bae.toml'));
  const given = { ...file, ...environment, ...sources.flags };
  const origin = (key: string) =>
    key in sources.flags ? flagOf(key) : key in environment ? variable(key) : join(data, 'bae.toml');
  const parsed = schema.safeParse({ ...given, data });
  if (!parsed.success) {
    const issue = parsed.error.issues[0] as z.core.$ZodIssue;
    const key = String(issue.path[0] ?? 'the configuration') as ConfigKey;
    throw new BaeError('bad-input', `Setting ${key} (from ${origin(key)}) ${issue.message}.`);
  }
  const values = parsed.data;
  const socketBytes = Buffer.byteLength(join(data, SOCKET_NAME));
  // Who speaks to BAE_URL needs no socket.
  if (values.url === undefined && socketBytes > SOCKET_PATH_BYTES) {
    const most = SOCKET_PATH_BYTES - SOCKET_NAME.length - 1;
    throw new BaeError(
      'bad-input',
      `The data folder's path has over ${most} bytes, too many for a socket in it: choose another with BAE_DATA.`,
    );
  }
  return {
    ...values,
    store: values.store ?? `file:${join(data, 'store')}`,
    database: values.database ?? `sqlite:${join(data, 'bae.db')}`,
    pin_bytes: values.pin_bytes ?? Math.floor(values.cache_bytes / 2),
    origins: Object.fromEntries(Object.keys(given).map((key) => [key, origin(key)])),
  };
}

/** Limits that may also be changed while bae runs, by their names there. */
const LIMIT_KEYS = {
  uploadBytesPerSecond: 'upload_bytes_per_second',
  downloadBytesPerSecond: 'download_bytes_per_second',
  peerUploadBytesPerSecond: 'peer_upload_bytes_per_second',
  egressBytesPerDay: 'egress_bytes_per_day',
} as const;

/** Of the limits that may be changed while bae runs, those that flags, environment or bae.toml fix. */
export function fixedLimits(config: Config): { [Name in keyof typeof LIMIT_KEYS]?: { value: number; where: string } } {
  const names = Object.keys(LIMIT_KEYS) as (keyof typeof LIMIT_KEYS)[];
  return Object.fromEntries(
    names.flatMap((name) => {
      const where = config.origins[LIMIT_KEYS[name]];
      return where === undefined ? [] : [[name, { value: config[LIMIT_KEYS[name]], where }]];
    }),
  );
}

/** A page in the same browser or a neighbour on the network must not find an open door. */
export function refuseOpenListening(config: Config): void {
  const { host } = config.listen;
  if (host === 'localhost' || isLoopbackAddress(host) || config.token !== undefined) return;
  throw new BaeError('refused', `Listening on ${host} needs a token: set BAE_TOKEN or BAE_TOKEN_FILE.`);
}

/** Makes it, for its owner alone. */
export function makeDataFolder(data: string): void {
  try {
    // One that is there keeps its mode: it may hold more than ours.
    mkdirSync(data, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    throw new BaeError('refused', `The data folder ${data} cannot be used (${code}): choose another with BAE_DATA.`, {
      cause,
    });
  }
}

const flagOf = (key: string) => `--${key.replaceAll('_', '-')}`;
const variable = (key: string) => `BAE_${key.toUpperCase()}`;

function fromEnvironment(environment: Record<string, string | undefined>): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('BAE_') || value === undefined) continue;
    const direct = KEYS.find((key) => variable(key) === name);
    const byFile = KEYS.find((key) => `${variable(key)}_FILE` === name);
    if (direct !== undefined) found[direct] = value;
    else if (byFile === undefined)
      throw new BaeError('bad-input', `There is no setting ${name}: docs/operating.md lists them all.`);
    else if (environment[variable(byFile)] === undefined) found[byFile] = readSecret(name, value);
  }
  return found;
}

function readSecret(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (cause) {
    throw new BaeError('bad-input', `The file that ${name} names cannot be read: ${path}.`, { cause });
  }
}

function fromFile(path: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    // Not there, nor the folder it would be in: that is for whoever needs the folder to say.
    if (code === 'ENOENT' || code === 'ENOTDIR') return {};
    throw new BaeError('bad-input', `${path} cannot be read (${code}).`, { cause });
  }
  let values: Record<string, unknown>;
  try {
    values = parse(text);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const problem = cause.message.split('\n')[0]?.replace('Invalid TOML document: ', '');
    throw new BaeError('bad-input', `${path} is not TOML: line ${cause.line}: ${problem}.`, { cause });
  }
  const unknown = Object.keys(values).find((key) => key === 'data' || !(KEYS as string[]).includes(key));
  if (unknown !== undefined)
    throw new BaeError('bad-input', `${path} has the unknown key ${unknown}: docs/operating.md lists them all.`);
  return values;
}

/** The platform's folder for a program's data: XDG on Linux, Application Support on macOS. */
function defaultDataFolder(environment: Record<string, string | undefined>): string {
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'bae');
  return join(environment.XDG_DATA_HOME ?? join(homedir(), '.local', 'share'), 'bae');
}
