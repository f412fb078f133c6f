// A certificate authority of our own, for servers on this machine.
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const OPENSSL = '/usr/bin/openssl';
const DAYS = '30';

export interface Authority {
  /** PEM file of the authority's own certificate: for NODE_EXTRA_CA_CERTS. */
  readonly path: string;
  /** A key and a certificate, PEM, for a server of these addresses and names (`IP:127.0.0.1`, `DNS:x.example`). */
  issue(...names: string[]): Promise<{ key: string; cert: string }>;
}

/** Makes one; its files go into `folder`. */
export async function makeAuthority(folder: string): Promise<Authority> {
  const path = `${folder}/ca.pem`;
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  await run(OPENSSL, [
    ...['req', '-x509', ...key, '-days', DAYS, '-subj', '/CN=Authority of a test'],
    ...['-keyout', `${folder}/ca.key`, '-out', path],
  ]);
  let issued = 0;
  return {
    path,
    async issue(...names) {
      const base = `${folder}/server${++issued}`;
      await run(OPENSSL, ['req', ...key, '-subj', '/CN=tracker', '-keyout', `${base}.key`, '-out', `${base}.csr`]);
      await writeFile(`${base}.ext`, `subjectAltName=${names.join(',')}\n`);
      await run(OPENSSL, [
        ...['x509', '-req', '-in', `${base}.csr`, '-CA', path, '-CAkey', `${folder}/ca.key`, '-CAcreateserial'],
        ...['-days', DAYS, '-extfile', `${base}.ext`, '-out', `${base}.pem`],
      ]);
      return { key: await readFile(`${base}.key`, 'utf8'), cert: await readFile(`${base}.pem`, 'utf8') };
    },
  };
}
