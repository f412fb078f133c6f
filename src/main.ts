import packageJson from '../package.json' with { type: 'json' };
import { runCli } from './cli/index.ts';
import { type ConfigKey, loadConfig } from './config.ts';

/** The server's rooms are loaded by `serve` alone, so that the other commands start at once. */
async function serve(flags: Partial<Record<ConfigKey, string>>): Promise<void> {
  const config = loadConfig({ flags, environment: process.env });
  const { runServer } = await import('./app.ts');
  await runServer(config, process.env, packageJson.version);
}

process.exitCode = await runCli(process.argv.slice(2), { version: packageJson.version, serve });
