import { type Clock, systemClock } from '../../lib/clock.ts';
import { directoryStore } from './directory.ts';
import { memoryStore } from './memory.ts';
import type { ObjectStore } from './ports.ts';
import type { S3Options } from './s3-client.ts';
import { checkEndpoint, parseStoreSpec } from './spec.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Opens the store that `spec` (BAE_STORE) names: `file:<dir>` | `s3://bucket/prefix?endpoint=…&region=…` | `memory:`. Of the
 * environment it reads AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, AWS_DEFAULT_REGION,
 * AWS_PROFILE, AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL; without keys there the SDK's own chain finds them. Makes a missing
 * folder or bucket. Rejects with BaeError bad-input (the spec), refused or unavailable. One try: wrap it in `retrying` after.
 */
export async function openStore(
  spec: string,
  environment: Environment,
  clock: Clock = systemClock,
): Promise<ObjectStore> {
  const parsed = parseStoreSpec(spec);
  if (parsed.kind === 'memory') return memoryStore();
  if (parsed.kind === 'directory') return await directoryStore(parsed.root, clock);
  const endpoint = parsed.endpoint ?? environment.AWS_ENDPOINT_URL_S3 ?? environment.AWS_ENDPOINT_URL;
  return await openS3Store({
    bucket: parsed.bucket,
    prefix: parsed.prefix,
    endpoint: endpoint ? checkEndpoint(endpoint) : undefined,
    region: parsed.region ?? (environment.AWS_REGION || environment.AWS_DEFAULT_REGION || undefined),
    credentials: credentials(environment),
    profile: environment.AWS_PROFILE || undefined,
  });
}

/** Opens a bucket as a store (see s3.ts). The SDK takes a third of a second to load; only those who use it wait. */
export async function openS3Store(options: S3Options): Promise<ObjectStore> {
  const { s3Store } = await import('./s3.ts');
  return await s3Store(options);
}

function credentials(environment: Environment): S3Options['credentials'] {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = environment;
  if (!AWS_ACCESS_KEY_ID || !AWS_SECRET_ACCESS_KEY) return undefined;
  const keys = { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY };
  return AWS_SESSION_TOKEN ? { ...keys, sessionToken: AWS_SESSION_TOKEN } : keys;
}
