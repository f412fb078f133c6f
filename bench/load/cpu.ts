// CPU time of programs, as Linux tells it in /proc in steps of 10 ms.
import { readdir, readFile } from 'node:fs/promises';

/** Kernel clock ticks a second in /proc, the same on every Linux (USER_HZ). */
const TICKS_PER_SECOND = 100;

/** Seconds in the program's own code, and in the kernel for it. */
export interface CpuSeconds {
  readonly user: number;
  readonly system: number;
}

/** utime and stime of one /proc/…/stat line, and the name, which may hold spaces and brackets. */
function parseStat(line: string): CpuSeconds & { name: string } {
  const end = line.lastIndexOf(')');
  const fields = line.slice(end + 2).split(' ');
  const [user, system] = [Number(fields[11]) / TICKS_PER_SECOND, Number(fields[12]) / TICKS_PER_SECOND];
  return { name: line.slice(line.indexOf('(') + 1, end), user, system };
}

async function childrenOf(pid: number): Promise<number[]> {
  const tasks = await readdir(`/proc/${pid}/task`);
  const lists = await Promise.all(tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'utf8')));
  return lists.flatMap((list) => list.trim().split(' ').filter(Boolean).map(Number));
}

/**
 * CPU seconds (user and system) a process, all its threads and its running descendants have used so far. Throws ENOENT when
 * the process is gone.
 */
export async function cpuSecondsOf(pid: number): Promise<number> {
  const { user, system } = parseStat(await readFile(`/proc/${pid}/stat`, 'utf8'));
  const children = await Promise.all((await childrenOf(pid)).map(cpuSecondsOf));
  return children.reduce((sum, seconds) => sum + seconds, user + system);
}

/** CPU seconds of each of a process's living threads, those of one name summed up. Node's own name for its first is MainThread. */
export async function threadSecondsOf(pid: number): Promise<Map<string, CpuSeconds>> {
  const threads = new Map<string, CpuSeconds>();
  for (const task of await readdir(`/proc/${pid}/task`)) {
    const line = await readFile(`/proc/${pid}/task/${task}/stat`, 'utf8').catch(() => '');
    if (line === '') continue;
    const { name, user, system } = parseStat(line);
    const before = threads.get(name) ?? { user: 0, system: 0 };
    threads.set(name, { user: before.user + user, system: before.system + system });
  }
  return threads;
}
