import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';

/** Connections at a time; each moves one object. */
export const MAX_SOCKETS = 32;
const CONNECT_TIMEOUT_MILLISECONDS = 5_000;
/** Longest silence of a connection within a call. */
const IDLE_TIMEOUT_MILLISECONDS = 30_000;
/** Where a custom endpoint has no regions, the name that all of them take. */
const DEFAULT_REGION = 'us-east-1';

export interface S3Options {
  bucket: string;
  /** '' or ending with a slash. */
  prefix: string;
  /** Anything but AWS itself; means path style. */
  endpoint?: string | undefined;
  region?: string | undefined;
  /** Else the SDK's own chain: environment, profile, machine role. */
  credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string } | undefined;
  profile?: string | undefined;
  /** For tests; 30 s if not given. */
  idleTimeoutMilliseconds?: number | undefined;
}

/**
 * The SDK's client, made lean: one try a call (retry.ts tries again), no checksums that nobody asked for, no wait for
 * `100 Continue`, and a payload hash that the caller knows is signed as it is, so the server checks it and we do not hash
 * again.
 */
export function s3Client(options: S3Options): S3Client {
  const agent = { keepAlive: true, maxSockets: MAX_SOCKETS, maxFreeSockets: MAX_SOCKETS };
  const config: S3ClientConfig = {
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    expectContinueHeader: false,
    requestHandler: {
      httpAgent: agent,
      httpsAgent: agent,
      connectionTimeout: CONNECT_TIMEOUT_MILLISECONDS,
      socketTimeout: options.idleTimeoutMilliseconds ?? IDLE_TIMEOUT_MILLISECONDS,
    },
  };
  if (options.endpoint !== undefined) {
    config.endpoint = options.endpoint;
    config.forcePathStyle = true;
  }
  const region = options.region ?? (options.endpoint === undefined ? undefined : DEFAULT_REGION);
  if (region !== undefined) config.region = region;
  if (options.credentials !== undefined) config.credentials = options.credentials;
  if (options.profile !== undefined) config.profile = options.profile;
  const client = new S3Client(config);
  signKnownHashes(client, options.endpoint === undefined);
  return client;
}

/**
 * Signs a body's SHA-256 that a PutObject brings as `ChecksumSHA256`: the signer takes `x-amz-content-sha256` as it finds it. The
 * checksum header itself goes to AWS alone, which keeps it with the object; others ignore it or choke on it.
 */
function signKnownHashes(client: S3Client, aws: boolean): void {
  client.middlewareStack.add(
    (next) => (args) => {
      const { headers } = args.request as { headers: Record<string, string> };
      const checksum = headers['x-amz-checksum-sha256'];
      if (checksum !== undefined) {
        headers['x-amz-content-sha256'] = Buffer.from(checksum, 'base64').toString('hex');
        if (!aws) delete headers['x-amz-checksum-sha256'];
      }
      return next(args);
    },
    { step: 'build', name: 'signKnownHashes', priority: 'low' },
  );
}
