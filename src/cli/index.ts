import { Command, CommanderError, Option } from 'commander';
import type { ConfigKey } from '../config.ts';
import { type Context, createContext, type GlobalFlags } from './context.ts';
import { EXIT, exitCode, printError } from './exit.ts';
import { type ImportFlags, runImport } from './import.ts';
import { runImportAction, runImports } from './imports.ts';
import { runList, runSeed, runShow, runStats } from './library.ts';
import { runSet } from './set.ts';
import { runStop } from './stop.ts';

export interface CliOptions {
  readonly version: string;
  /** Runs the server until it is stopped; main.ts gives it, since only it may know app.ts. */
  readonly serve: (flags: Partial<Record<ConfigKey, string>>) => Promise<void>;
}

/** Flags of `bae serve`, each the same setting as BAE_*. */
const SERVE_FLAGS: readonly (readonly [ConfigKey, string, string])[] = [
  ['listen', 'HOST:PORT', 'where the page and the API listen (default 127.0.0.1:4533)'],
  ['peer_address', 'LIST', 'addresses for peers, comma-separated (default 0.0.0.0,::)'],
  ['peer_port', 'PORT', 'port for peers (default 51533)'],
  ['peer_interface', 'NAME', 'interface or address that all peer and tracker traffic must use (default any)'],
  ['ip_filter', 'FILE', 'list of addresses that peers may not have'],
  ['lsd', 'BOOLEAN', 'look for peers on the local network (default true)'],
  ['encryption', 'POLICY', 'of peer connections: prefer, require or off (default prefer)'],
  ['dht', 'true|false', 'looks public torrents up in the DHT (default true)'],
  ['dht_bootstrap', 'LIST', 'HOST:PORT of DHT nodes to begin with, comma-separated'],
  ['store', 'STORE', 'file:<dir> or s3://bucket/prefix?endpoint=…&region=…'],
  ['database', 'DATABASE', 'sqlite:<file>'],
  ['cache_bytes', 'SIZE', 'disk cache (default 10GiB)'],
  ['pin_bytes', 'SIZE', 'how much of it may be pinned (default half)'],
  ['spool_bytes', 'SIZE', 'sealed bytes not yet in the store (default 1GiB)'],
  ['ram_cache_bytes', 'SIZE', 'opened bytes in memory (default 64MiB)'],
  ['upload_bytes_per_second', 'SIZE', 'what all torrents may send, in a second (default no limit)'],
  ['download_bytes_per_second', 'SIZE', 'what all torrents may fetch, in a second (default no limit)'],
  ['peer_upload_bytes_per_second', 'SIZE', 'what one peer may be sent, in a second (default no limit)'],
  ['egress_bytes_per_day', 'SIZE', 'what may be fetched from the store for peers, in a day (default no limit)'],
  ['import_stall_seconds', 'SECONDS', 'an import with no progress for so long has failed (default 86400)'],
  ['log_level', 'LEVEL', 'debug, info, warn or error'],
];

const SET_WORDS = `limits, in bytes, 0 for none; without keys they are shown
upload=SIZE download=SIZE        a second, of a torrent, a release or an import, or global: of all together
peer_upload=SIZE                 a second, global: of each connection with a peer
egress_per_day=SIZE              global: what is fetched from the store for peers in a day (UTC)`;

/** Runs one command; resolves with its exit code. */
export async function runCli(argv: readonly string[], options: CliOptions): Promise<number> {
  const json = argv.includes('--json');
  try {
    await program(options).parseAsync([...argv], { from: 'user' });
    return EXIT.done;
  } catch (error) {
    // Help and version are told already.
    const isHelp = error instanceof CommanderError && /^commander\.(help|helpDisplayed|version)$/.test(error.code);
    if (!isHelp) printError(error, json);
    return exitCode(error);
  }
}

function program(options: CliOptions): Command {
  const root = new Command('bae')
    .description('A music library in encrypted cloud storage that keeps seeding from there.')
    .version(options.version)
    .helpCommand(false)
    .showSuggestionAfterError()
    // The one place that prints errors is below.
    .configureOutput({ outputError: () => undefined })
    .exitOverride();
  const command = (usage: string, words: string) =>
    root
      .command(usage)
      .description(words)
      .option('--json', 'print JSON')
      .option('--data <FOLDER>', 'the data folder (BAE_DATA)')
      .exitOverride();
  const asking =
    (run: (context: Context, ...words: string[]) => Promise<void>) =>
    async (...given: unknown[]) => {
      const called = given.at(-1) as Command;
      await run(createContext(called.opts<GlobalFlags>()), ...called.args);
    };

  const serve = command('serve', 'run the server until it is stopped');
  for (const [key, form, words] of SERVE_FLAGS) serve.option(`--${key.replaceAll('_', '-')} <${form}>`, words);
  serve.action((flags: Record<string, string>) => options.serve(serveFlags(flags)));
  command('stop', 'stop the server').action(asking(runStop));
  command('import <source>', 'import a .torrent file or a magnet link')
    .addOption(new Option('--peer <HOST:PORT>', 'a peer to try; may be given again').argParser(collect))
    .option('--wait', 'stay until it is done')
    .option('--as-is', 'take the names as they are, ask no database')
    .action(async (source: string, flags: ImportFlags & GlobalFlags) => runImport(createContext(flags), source, flags));
  command('imports', 'show all imports').action(asking(runImports));
  command('cancel <import>', 'call an import off').action(
    asking((c, id) => runImportAction(c, id as string, 'cancel')),
  );
  command('retry <import>', 'try a failed import again').action(
    asking((c, id) => runImportAction(c, id as string, 'retry')),
  );
  command('list', 'show all torrents').action(asking(runList));
  command('show <id>', 'show one torrent, by its id or a release’s').action(
    asking((c, id) => runShow(c, id as string)),
  );
  const seed = command('seed <action> <id>', 'start, stop, pin or unpin');
  seed.action(async (action: string, id: string, flags: GlobalFlags) => {
    if (!['start', 'stop', 'pin', 'unpin'].includes(action)) seed.error('error: seed takes start, stop, pin or unpin');
    await runSeed(createContext(flags), action, id);
  });
  command('set <id|global> [key=value...]', SET_WORDS)
    .summary('set limits, or show them')
    .action(asking((c, id, ...pairs) => runSet(c, id as string, pairs)));
  command('stats', 'show the numbers now').action(asking(runStats));
  return root;
}

const collect = (value: string, before: readonly string[] | undefined) => [...(before ?? []), value];

function serveFlags(flags: Record<string, string>): Partial<Record<ConfigKey, string>> {
  const given: Partial<Record<ConfigKey, string>> = flags.data === undefined ? {} : { data: flags.data };
  for (const [key] of SERVE_FLAGS) {
    const camel = key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
    if (flags[camel] !== undefined) given[key] = flags[camel];
  }
  return given;
}
