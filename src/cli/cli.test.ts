import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { parsePeer } from './import.ts';
import { runCli } from './index.ts';
import { bar, bytes, clean, table } from './print.ts';

let data: string;
let out: string;
let err: string;

beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'bae-cli-'));
  out = '';
  err = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += text;
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += text;
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(data, { recursive: true });
});

const run = (...argv: string[]) => runCli(argv, { version: '1.2.3', serve: async () => undefined });

describe('commands', () => {
  test('help and version are no failures', async () => {
    expect(await run('--version')).toBe(0);
    expect(out).toBe('1.2.3\n');
    expect(await run('--help')).toBe(0);
    expect(out).toContain('import [options] <source>');
  });

  test('wrong words are usage errors', async () => {
    for (const argv of [['nonsense'], ['import'], ['list', 'x'], ['seed', 'fly', 't1'], ['set'], ['list', '--fly']]) {
      expect(await run(...argv)).toBe(2);
    }
  });

  test('usage errors are one sentence that says what to do, or JSON', async () => {
    const said = async (...argv: string[]) => {
      err = '';
      await run(...argv);
      return err;
    };
    expect(await said('nonsense')).toBe('bae: Unknown command \'nonsense\': see "bae --help".\n');
    expect(await said('serv')).toBe("bae: Unknown command 'serv': did you mean serve?\n");
    expect(await said('serve', '--lisen', 'x')).toBe("bae: Unknown option '--lisen': did you mean --listen?\n");
    expect(await said('list', 'x')).toBe(
      'bae: Too many arguments for \'list\' (expected 0 arguments but got 1: x): see "bae --help".\n',
    );
    expect(JSON.parse(await said('import', '--json'))).toEqual({
      error: { kind: 'usage', message: 'Missing required argument \'source\': see "bae --help".' },
    });
    expect(await said('--help')).toBe('');
    expect(await said()).toMatch(/^Usage: bae/);
  });

  test('with no server the exit code is 5 and the words say how to start one', async () => {
    expect(await run('list', '--data', data)).toBe(5);
    expect(err).toContain('start one with "bae serve"');
    expect(await run('imports', '--json', '--data', data)).toBe(5);
    expect(err).toContain('{"error":{"kind":"no-server"');
  });

  test('a list that breaks off is no list (6)', async () => {
    const server = createServer((_, reply) => {
      reply.writeHead(200);
      reply.write('[{"id":"t1"},', () => reply.destroy());
    });
    await new Promise<void>((ready) => server.listen(join(data, 'bae.sock'), ready));
    expect(await run('list', '--data', data)).toBe(6);
    expect([out, err]).toEqual(['', 'bae: The reply of the server broke off: try again, or see its log.\n']);
    server.close();
  });

  test('settings of a torrent are upload and download, as sizes', async () => {
    for (const pair of ['fly=1', 'upload', 'upload=', 'upload=-1', 'upload=1=2', 'download=much', 'toString=1']) {
      expect(await run('set', 't1', 'upload=1KB', pair, '--data', data)).toBe(7);
    }
    expect(await run('set', 't1', 'upload=1.5MiB', 'download=0', '--data', data)).toBe(5);
    expect(await run('set', 'i1', '--data', data)).toBe(5);
    expect(await run('set', 't1', 'peer_upload=1', '--data', data)).toBe(7);
    expect(err).toContain('There is no setting peer_upload=1: write upload=SIZE or download=SIZE.');
  });

  test('settings of all of bae are two more, and shown where none is named', async () => {
    const all = ['upload=1', 'download=2', 'peer_upload=3', 'egress_per_day=1TB'];
    expect(await run('set', 'global', ...all, '--data', data)).toBe(5);
    expect(await run('set', 'global', '--data', data)).toBe(5);
    expect(await run('set', 'global', 'egress=1', '--data', data)).toBe(7);
    expect(err).toContain('upload=SIZE or download=SIZE or peer_upload=SIZE or egress_per_day=SIZE');
  });

  test('a folder is not there yet (4); a missing file and a wrong peer are bad input (7)', async () => {
    expect(await run('import', data, '--data', data)).toBe(4);
    expect(await run('import', join(data, 'none.torrent'), '--data', data)).toBe(7);
    expect(err).toContain(`There is no file ${data}/none.torrent: give a .torrent file or a magnet link.`);
    expect(await run('import', '/dev/null', '--data', data)).toBe(7);
    expect(err).toContain('/dev/null is no file');
    expect(await run('import', join(data, 'x'.repeat(300)), '--data', data)).toBe(7);
    expect(err).toContain('cannot be read (ENAMETOOLONG)');
    expect(await run('import', 'magnet:?xt=1', '--peer', 'nowhere', '--data', data)).toBe(7);
  });
});

test('an error is one line and harmless, whatever it repeats', async () => {
  expect(await run('import', 'a\u001b[2J\nb', '--data', data)).toBe(7);
  expect(err).toBe('bae: There is no file a?[2J?b: give a .torrent file or a magnet link.\n');
});

test('peers are HOST:PORT, IPv6 in brackets', () => {
  expect(parsePeer('10.0.0.1:6881')).toEqual({ host: '10.0.0.1', port: 6881 });
  expect(parsePeer('[::1]:1')).toEqual({ host: '::1', port: 1 });
  for (const wrong of ['::1:1', '10.0.0.1', '10.0.0.1:0', '10.0.0.1:65536', '10.0.0.1:x', 'a b:1']) {
    expect(() => parsePeer(wrong)).toThrow('is not a peer');
  }
});

test('what a terminal shows is aligned, in units and harmless', () => {
  expect(bytes(1536)).toBe('1.5 KiB');
  expect(bytes(12)).toBe('12 B');
  expect(clean('a\u001b[2Jb\u202ec')).toBe('a?[2Jb?c');
  expect(
    table([
      ['A', 'B'],
      ['long', 'x'],
    ]),
  ).toBe('A     B\nlong  x');
  expect(bar(0.5, 4)).toBe('[##..]  50.0 %');
});
