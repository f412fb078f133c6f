// The programs the system tests run, brought by apt where this process may, else named in words a person can act on.
import { execFile } from 'node:child_process';
import { chmod, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Debian packages, each with one program or Python module that shows it is there. */
const PACKAGES: readonly { name: string; probe: string }[] = [
  { name: 'radosgw', probe: '/usr/bin/radosgw' },
  { name: 'ceph-mon', probe: '/usr/bin/ceph-mon' },
  { name: 'ceph-osd', probe: '/usr/bin/ceph-osd' },
  { name: 'ceph-common', probe: '/usr/bin/ceph' },
  { name: 'transmission-daemon', probe: '/usr/bin/transmission-daemon' },
  { name: 'transmission-cli', probe: '/usr/bin/transmission-create' },
  { name: 'mktorrent', probe: '/usr/bin/mktorrent' },
  { name: 'qbittorrent-nox', probe: '/usr/bin/qbittorrent-nox' },
  { name: 'rtorrent', probe: '/usr/bin/rtorrent' },
  { name: 'aria2', probe: '/usr/bin/aria2c' },
  { name: 'python3-libtorrent', probe: 'python:libtorrent' },
  { name: 'python3-cryptography', probe: 'python:cryptography' },
  { name: 'flac', probe: '/usr/bin/flac' },
  { name: 'gcc', probe: '/usr/bin/gcc' },
  { name: 'libc6-dev', probe: '/usr/include/stdio.h' },
  { name: 'iproute2', probe: '/usr/sbin/ip' },
  { name: 'openssl', probe: '/usr/bin/openssl' },
];

const POLICY_FILE = '/usr/sbin/policy-rc.d';
const LOCK_FILE = join(tmpdir(), 'bae-parts-install.lock');
const LOCK_WAIT_SECONDS = 600;
const APT_TIMEOUT_MILLISECONDS = 15 * 60_000;
const APT_OUTPUT_BYTES = 64 * 1024 * 1024;

/** Debian's own Python; `python3` on PATH may be another one without Debian's modules. */
export const PYTHON = '/usr/bin/python3';

async function isThere(probe: string): Promise<boolean> {
  try {
    if (probe.startsWith('python:')) await run(PYTHON, ['-c', `import ${probe.slice('python:'.length)}`]);
    else await stat(probe);
    return true;
  } catch {
    return false;
  }
}

async function missingPackages(): Promise<string[]> {
  const found = await Promise.all(PACKAGES.map(async ({ name, probe }) => ({ name, there: await isThere(probe) })));
  return found.filter(({ there }) => !there).map(({ name }) => name);
}

async function apt(...args: string[]): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const wait = ['-o', 'DPkg::Lock::Timeout=300', '-o', 'Acquire::Retries=3'];
  await run('apt-get', [...wait, ...args], { env, timeout: APT_TIMEOUT_MILLISECONDS, maxBuffer: APT_OUTPUT_BYTES });
}

/** Runs `work` while Debian's policy file forbids packages to start their services. */
async function withoutServices(work: () => Promise<void>): Promise<void> {
  const ours = !(await isThere(POLICY_FILE));
  if (ours) {
    await writeFile(POLICY_FILE, '#!/bin/sh\nexit 101\n');
    await chmod(POLICY_FILE, 0o755);
  }
  try {
    await work();
  } finally {
    if (ours) await rm(POLICY_FILE, { force: true });
  }
}

async function ownerLives(): Promise<boolean> {
  const owner = Number(await readFile(LOCK_FILE, 'utf8').catch(() => ''));
  // Empty for the moment between its making and its writing.
  return owner === 0 || isThere(`/proc/${owner}`);
}

/** One installer at a time on this machine; a lock left by a killed one is taken over. */
async function locked(work: () => Promise<void>): Promise<void> {
  for (let waited = 0; ; waited++) {
    try {
      await writeFile(LOCK_FILE, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
      if (waited >= LOCK_WAIT_SECONDS || !(await ownerLives())) await rm(LOCK_FILE, { force: true });
      await delay(1_000);
    }
  }
  try {
    await work();
  } finally {
    await rm(LOCK_FILE, { force: true });
  }
}

/** Tries all in one go (fast), then one by one, so that one missing package does not hide the others. */
async function install(names: string[]): Promise<Map<string, string>> {
  const reasons = new Map<string, string>();
  const flags = ['install', '-y', '-q', '--no-install-recommends'];
  try {
    await apt('update', '-q');
    await apt(...flags, ...names);
  } catch {
    for (const name of names) {
      try {
        await apt(...flags, name);
      } catch (error) {
        const lines = (error instanceof Error ? error.message : String(error)).split('\n');
        reasons.set(name, lines.find((line) => line.startsWith('E:')) ?? lines[0] ?? 'unknown reason');
      }
    }
  }
  return reasons;
}

/**
 * Sees to it that every program the system tests need is installed.
 * Returns one clear sentence for each that is not; an empty array means all is there. Never throws for a missing package.
 */
export async function ensureParts(): Promise<string[]> {
  const missing = await missingPackages();
  if (missing.length === 0) return [];
  if (process.getuid?.() !== 0 || !(await isThere('/usr/bin/apt-get'))) {
    const why = process.getuid?.() === 0 ? 'there is no apt-get here' : 'only root may install it';
    return missing.map((name) => `The Debian package ${name} is missing and ${why}: apt-get install ${name}.`);
  }
  let reasons = new Map<string, string>();
  await locked(() =>
    withoutServices(async () => {
      const still = await missingPackages();
      if (still.length > 0) reasons = await install(still);
    }),
  );
  const left = await missingPackages();
  return left.map(
    (name) => `The Debian package ${name} could not be installed: ${reasons.get(name) ?? 'no reason given'}.`,
  );
}
