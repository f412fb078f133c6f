import { BaeError } from '../../lib/errors.ts';

/** What a store specification says, parsed. */
export type StoreSpec =
  | { kind: 'memory' }
  | { kind: 'directory'; root: string }
  | { kind: 's3'; bucket: string; prefix: string; endpoint: string | undefined; region: string | undefined };

/** Longest prefix of a bucket, in characters: with a name of 512 it stays within S3's 1,024. */
export const MAX_PREFIX_CHARACTERS = 500;

/**
 * Parses `file:<dir>`, `s3://bucket/prefix?endpoint=…&region=…` or `memory:`. The prefix comes back '' or with one slash at
 * its end. Throws BaeError bad-input with one sentence that says what is wrong.
 */
export function parseStoreSpec(spec: string): StoreSpec {
  if (spec === 'memory:') return { kind: 'memory' };
  if (spec.startsWith('file:')) {
    const root = spec.slice('file:'.length).replace(/^\/\/(?=\/)/, '');
    if (root === '' || root.includes('\0')) throw new BaeError('bad-input', 'The store file:<folder> names no folder.');
    return { kind: 'directory', root };
  }
  if (spec.startsWith('s3://')) return parseS3(spec.slice('s3://'.length));
  throw new BaeError(
    'bad-input',
    `${quoted(spec)} is no store; say file:<folder> or s3://bucket/prefix?endpoint=…&region=….`,
  );
}

function parseS3(rest: string): StoreSpec {
  const [path = '', query = ''] = splitOnce(rest, '?');
  const [bucket = '', rawPrefix = ''] = splitOnce(path, '/');
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/.test(bucket)) {
    throw new BaeError(
      'bad-input',
      `${quoted(bucket)} is no name of a bucket: S3 takes 3 to 63 letters, digits, dots and hyphens.`,
    );
  }
  const parts = rawPrefix.split('/').filter((part) => part !== '');
  const prefix = parts.map((part) => `${part}/`).join('');
  const strange = !/^[A-Za-z0-9._/=-]*$/.test(prefix) || parts.some((part) => part === '.' || part === '..');
  if (strange || prefix.length > MAX_PREFIX_CHARACTERS) {
    throw new BaeError(
      'bad-input',
      `${quoted(rawPrefix)} is no prefix for a store: letters, digits and . _ - = / only.`,
    );
  }
  const options = new URLSearchParams(query);
  for (const key of options.keys()) {
    if (key !== 'endpoint' && key !== 'region') {
      throw new BaeError('bad-input', `An s3 store knows endpoint and region, not ${quoted(key)}.`);
    }
  }
  const endpoint = options.get('endpoint') ?? undefined;
  return {
    kind: 's3',
    bucket,
    prefix,
    endpoint: endpoint === undefined ? undefined : checkEndpoint(endpoint),
    region: options.get('region') || undefined,
  };
}

/** An endpoint's URL, checked: http or https, with no keys in it (BaeError bad-input). */
export function checkEndpoint(endpoint: string): string {
  const url = URL.parse(endpoint);
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    throw new BaeError('bad-input', `${quoted(endpoint)} is no endpoint; say http://host:port or https://host.`);
  }
  if (url.username !== '' || url.password !== '') {
    throw new BaeError(
      'bad-input',
      'An endpoint holds no keys; give them as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.',
    );
  }
  return url.href;
}

function splitOnce(text: string, separator: string): [string, string?] {
  const at = text.indexOf(separator);
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
