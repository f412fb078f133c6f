import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fixedLimits, loadConfig } from './config.ts';

let data: string;
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'bae-config-'));
});
afterEach(() => rmSync(data, { recursive: true }));

const load = (environment: Record<string, string> = {}, flags: Record<string, string> = {}) =>
  loadConfig({ environment: { BAE_DATA: data, ...environment }, flags });

describe('configuration', () => {
  test('defaults are embedded: a directory store and SQLite in the data folder', () => {
    const config = load();
    expect(config.store).toBe(`file:${join(data, 'store')}`);
    expect(config.database).toBe(`sqlite:${join(data, 'bae.db')}`);
    expect(config.listen).toEqual({ host: '127.0.0.1', port: 4533 });
    expect(config.spool_bytes).toBe(2 ** 30);
  });

  test('encryption of peer connections is one of three words', () => {
    expect([load().encryption, load({ BAE_ENCRYPTION: 'require' }).encryption]).toEqual(['prefer', 'require']);
    expect(() => load({ BAE_ENCRYPTION: 'yes' })).toThrow('Setting encryption (from BAE_ENCRYPTION)');
  });

  test('flags win over the environment, the environment over bae.toml', () => {
    writeFileSync(join(data, 'bae.toml'), 'cache_bytes = "1MiB"\npin_bytes = 5\nspool_bytes = "3GB"\n');
    const config = load({ BAE_CACHE_BYTES: '2MiB', BAE_PIN_BYTES: '6' }, { cache_bytes: '3MiB' });
    expect([config.cache_bytes, config.pin_bytes, config.spool_bytes]).toEqual([3 * 2 ** 20, 6, 3e9]);
  });

  test('a *_FILE variable names a file that holds the value', () => {
    writeFileSync(join(data, 'token'), 'a-token-of-sixteen-and-more\n');
    expect(load({ BAE_TOKEN_FILE: join(data, 'token') }).token).toBe('a-token-of-sixteen-and-more');
    expect(() => load({ BAE_TOKEN_FILE: join(data, 'none') })).toThrow(/BAE_TOKEN_FILE names cannot be read/);
  });

  test('a wrong value is told in words, with where it stands', () => {
    const toml = (line: string) => writeFileSync(join(data, 'bae.toml'), `${line}\n`);
    const path = join(data, 'bae.toml');
    for (const wrong of ['x', '', '-1', '65536', '1.5', '1e3']) {
      expect(() => load({ BAE_PEER_PORT: wrong })).toThrow(
        'Setting peer_port (from BAE_PEER_PORT) must be a whole number from 0 to 65535.',
      );
    }
    expect(() => load({}, { peer_port: 'x' })).toThrow('Setting peer_port (from --peer-port) must be a whole number');
    expect(() => load({ BAE_LIMIT_LOOPBACK: 'yes' })).toThrow('(from BAE_LIMIT_LOOPBACK) must be true or false.');
    expect(() => load({ BAE_LOG_LEVEL: 'loud' })).toThrow('must be debug, info, warn or error.');
    expect(() => load({ BAE_DISCOGS_TOKEN: '' })).toThrow('is empty.');
    expect(() => load({ BAE_URL: 'nowhere' })).toThrow('is not a URL.');
    toml('peer_port = "51533"\nimport_stall_seconds = 60');
    expect(load()).toMatchObject({ peer_port: 51_533, import_stall_seconds: 60 });
    toml('listen = 5');
    expect(() => load()).toThrow(`Setting listen (from ${path}) must be text in quotes.`);
    toml('cache_bytes = true');
    expect(() => load()).toThrow(`Setting cache_bytes (from ${path}) is not a size`);
    toml('\nlisten = ');
    expect(() => load()).toThrow(`${path} is not TOML: line 2: invalid value.`);
  });

  test('a data folder whose socket has too long a path is told, unless no socket is needed', () => {
    const folder = (bytes: number) => `/${'x'.repeat(bytes - 1)}`;
    expect(load({}, { data: folder(94) }).data).toBe(folder(94));
    expect(() => load({}, { data: folder(95) })).toThrow('path has over 94 bytes, too many for a socket');
    expect(load({ BAE_URL: 'http://127.0.0.1:1' }, { data: folder(95) }).data).toBe(folder(95));
  });

  test('a data folder that is a file has no bae.toml', () => {
    writeFileSync(join(data, 'file'), '');
    expect(load({}, { data: join(data, 'file') }).data).toBe(join(data, 'file'));
  });

  test('unknown keys are errors wherever they stand', () => {
    expect(() => load({ BAE_CACHE_SIZE: '1' })).toThrow('There is no setting BAE_CACHE_SIZE');
    writeFileSync(join(data, 'bae.toml'), 'cache_size = 1\n');
    expect(() => load()).toThrow('unknown key cache_size');
  });

  test('a wrong value is told with its key and place, and never with the value of a secret', () => {
    expect(() => load({ BAE_CACHE_BYTES: 'much' })).toThrow('Setting cache_bytes (from BAE_CACHE_BYTES) is not a size');
    expect(() => load({ BAE_LISTEN: 'nowhere' })).toThrow('is not an address');
    expect(() => load({ BAE_TOKEN: 'short-secret' })).toThrow(/^(?!.*short-secret)/);
    writeFileSync(join(data, 'bae.toml'), 'cache_bytes = ');
    expect(() => load()).toThrow('is not TOML');
  });

  test('DHT nodes are a list of addresses; there are some by default, and may be none', () => {
    const { dht, dht_bootstrap } = load();
    expect([dht, dht_bootstrap.map(({ port }) => port)]).toEqual([true, [6881, 25_401, 6881]]);
    const two = load({ BAE_DHT: 'false', BAE_DHT_BOOTSTRAP: 'node.example:1, [2600::1]:2' });
    const nodes = [
      { host: 'node.example', port: 1 },
      { host: '2600::1', port: 2 },
    ];
    expect([two.dht, two.dht_bootstrap]).toEqual([false, nodes]);
    expect(load({ BAE_DHT_BOOTSTRAP: '' }).dht_bootstrap).toEqual([]);
    expect(() => load({ BAE_DHT_BOOTSTRAP: 'node.example' })).toThrow('is not an address');
  });

  test('rate limits are sizes a second, none by default', () => {
    expect(load({ BAE_ANTI_LEECH: 'true' }).anti_leech).toBe(true);
    const { upload_bytes_per_second: up, download_bytes_per_second: down } = load({
      BAE_UPLOAD_BYTES_PER_SECOND: '500KB',
    });
    expect([up, down]).toEqual([500_000, 0]);
    expect(() => load({ BAE_DOWNLOAD_BYTES_PER_SECOND: '-1' })).toThrow('is not a size');
  });

  test('who says a limit is known, for those who would change it while bae runs', () => {
    expect(fixedLimits(load())).toEqual({});
    writeFileSync(join(data, 'bae.toml'), 'upload_bytes_per_second = "1MB"\negress_bytes_per_day = 0\n');
    const environment = { BAE_UPLOAD_BYTES_PER_SECOND: '2MB', BAE_DOWNLOAD_BYTES_PER_SECOND: '3MB' };
    const flags = { download_bytes_per_second: '4MB', peer_upload_bytes_per_second: '5MB' };
    expect(fixedLimits(load(environment, flags))).toEqual({
      uploadBytesPerSecond: { value: 2e6, where: 'BAE_UPLOAD_BYTES_PER_SECOND' },
      downloadBytesPerSecond: { value: 4e6, where: '--download-bytes-per-second' },
      peerUploadBytesPerSecond: { value: 5e6, where: '--peer-upload-bytes-per-second' },
      egressBytesPerDay: { value: 0, where: join(data, 'bae.toml') },
    });
  });

  test('IPv6 listen addresses are written in brackets', () => {
    expect(load({ BAE_LISTEN: '[::1]:80' }).listen).toEqual({ host: '::1', port: 80 });
    expect(() => load({ BAE_LISTEN: '127.0.0.1:65536' })).toThrow('is not an address');
  });
});
