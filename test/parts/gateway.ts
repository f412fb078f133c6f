// Ceph's RADOS gateway with its objects in memory: a real S3 server for tests, honest about signatures and conditional PUTs.
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { freePorts, type Part, startPart, temporaryFolder, waitFor } from './process.ts';

const run = promisify(execFile);

const START_ATTEMPTS = 4;
const START_TIMEOUT_MILLISECONDS = 30_000;
const COMMAND_TIMEOUT_MILLISECONDS = 30_000;
/** Memory the object store may use; it is taken only as objects arrive. */
const DEVICE_BYTES = 8 * 1024 ** 3;

/** A running gateway. One a test file is enough: buckets keep tests apart. */
export interface Gateway {
  /** `http://127.0.0.1:PORT`; use path style. */
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly region: string;
  /** Process ids now running: monitor, object store, gateway. */
  readonly pids: readonly number[];
  /** Ends the HTTP side at once: connections break and new ones are refused. Objects stay. */
  pause(): Promise<void>;
  /** Starts the HTTP side again on the same port; resolves when it answers. */
  resume(): Promise<void>;
  /** Ends everything and removes its folder. Idempotent. */
  stop(): Promise<void>;
}

interface Cluster {
  folder: string;
  conf: string;
  httpPort: number;
  env: NodeJS.ProcessEnv;
}

function configuration(folder: string, fsid: string, httpPort: number, [v2, v1]: readonly number[]): string {
  return `[global]
fsid = ${fsid}
mon host = [v2:127.0.0.1:${v2}/0,v1:127.0.0.1:${v1}/0]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
run dir = ${folder}/run
admin socket = ${folder}/run/$name.$pid.asok
log file = ${folder}/run/$name.log
pid file = ${folder}/run/$name.pid
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd crush chooseleaf type = 0
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon data = ${folder}/mon
mon data avail crit = 1
mon max pg per osd = 1000
paxos propose interval = 0.02
paxos min wait = 0.01
osd data = ${folder}/osd
osd objectstore = memstore
memstore device bytes = ${DEVICE_BYTES}
rgw frontends = beast endpoint=127.0.0.1:${httpPort} tcp_nodelay=1
rgw dns name = localhost
`;
}

/** Whether something listens on a port of 127.0.0.1. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const finish = (result: boolean) => {
      socket.destroy();
      resolve(result);
    };
    socket.once('connect', () => finish(true));
    socket.once('error', () => finish(false));
  });
}

function daemon(cluster: Cluster, command: string, name: string, ...args: string[]): Part {
  const common = ['-c', cluster.conf, '-f', '--setuser', 'root', '--setgroup', 'root'];
  const asUser = process.getuid?.() === 0 ? common : common.slice(0, 3);
  return startPart(command, [...asUser, ...args], { logFile: `${cluster.folder}/run/${name}.out`, env: cluster.env });
}

/** Resolves when `ready` holds; throws with the program's last words when it ended before. */
async function untilReady(part: Part, name: string, ready: () => Promise<boolean>): Promise<void> {
  await waitFor(name, START_TIMEOUT_MILLISECONDS, async () => {
    if (!part.running()) throw new Error(`${name} ended at its start: ${part.logTail()}`);
    return ready();
  });
}

async function startHttp(cluster: Cluster): Promise<Part> {
  const part = daemon(cluster, 'radosgw', 'rgw', '-n', 'client.rgw.a');
  try {
    await untilReady(part, 'radosgw', () => answers(cluster.httpPort));
    return part;
  } catch (error) {
    await part.stop('SIGKILL');
    throw error;
  }
}

/** Makes an empty cluster in `folder` and starts it; what was started is appended to `parts`, also when a later step fails. */
async function startCluster(folder: string, parts: Part[]): Promise<Cluster> {
  const [httpPort = 0, v2 = 0, v1 = 0] = await freePorts(3);
  const fsid = randomUUID();
  const conf = `${folder}/ceph.conf`;
  for (const name of ['mon', 'osd', 'run']) await mkdir(`${folder}/${name}`);
  await writeFile(conf, configuration(folder, fsid, httpPort, [v2, v1]));
  const cluster: Cluster = { folder, conf, httpPort, env: { ...process.env, CEPH_CONF: conf, CEPH_ARGS: '' } };
  const command = (name: string, ...args: string[]) =>
    run(name, args, { env: cluster.env, timeout: COMMAND_TIMEOUT_MILLISECONDS });

  const addresses = `[v2:127.0.0.1:${v2},v1:127.0.0.1:${v1}]`;
  await command('monmaptool', '--create', '--fsid', fsid, '--addv', 'a', addresses, `${folder}/monmap`);
  await command('ceph-mon', '-c', conf, '--mkfs', '-i', 'a', '--monmap', `${folder}/monmap`);
  const monitor = daemon(cluster, 'ceph-mon', 'mon', '-i', 'a');
  parts.push(monitor);
  await untilReady(monitor, 'ceph-mon', () => answers(v2));

  const osd = randomUUID();
  await command('ceph', '-c', conf, 'osd', 'new', osd, '0');
  await command('ceph-osd', '-c', conf, '-i', '0', '--mkfs', '--osd-uuid', osd);
  parts.push(daemon(cluster, 'ceph-osd', 'osd', '-i', '0'));
  return cluster;
}

async function stopAll(parts: readonly (Part | undefined)[]): Promise<void> {
  // All of it is in memory and thrown away: nothing is gained by a slow, tidy end.
  await Promise.all(parts.map((part) => part?.stop('SIGKILL')));
}

async function tryStart(): Promise<Gateway> {
  const { path: folder, remove } = await temporaryFolder('gateway');
  const parts: Part[] = [];
  let http: Part | undefined;
  const accessKey = 'testkey';
  const secretKey = 'testsecret';
  try {
    const cluster = await startCluster(folder, parts);
    http = await startHttp(cluster);
    const user = ['user', 'create', '--uid=test', '--display-name=test'];
    const keys = [`--access-key=${accessKey}`, `--secret-key=${secretKey}`];
    const options = { env: cluster.env, timeout: COMMAND_TIMEOUT_MILLISECONDS };
    await run('radosgw-admin', ['-c', cluster.conf, ...user, ...keys], options);
    // Another program may have taken the port in between and answered in its stead.
    if (!http.running()) throw new Error(`radosgw ended at its start: ${http.logTail()}`);
    return {
      endpoint: `http://127.0.0.1:${cluster.httpPort}`,
      accessKey,
      secretKey,
      region: 'us-east-1',
      get pids() {
        return [...parts, ...(http ? [http] : [])].filter((part) => part.running()).map((part) => part.pid);
      },
      async pause() {
        await http?.stop('SIGKILL');
        http = undefined;
      },
      async resume() {
        http ??= await startHttp(cluster);
      },
      async stop() {
        await stopAll([http, ...parts]);
        await remove();
      },
    };
  } catch (error) {
    await stopAll([http, ...parts]);
    await remove();
    throw error;
  }
}

/** Starts a gateway on ports chosen at run time (about 3 s, 110 MB). Throws after a few attempts, with the last reason. */
export async function startGateway(): Promise<Gateway> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await tryStart();
    } catch (error) {
      if (attempt >= START_ATTEMPTS) throw error;
    }
  }
}
