import { BaeError, errorMessage } from '../../lib/errors.ts';

/** What went wrong at an S3 store, as far as anybody told. */
interface Told {
  /** S3's code (`NoSuchKey`), the SDK's name (`TimeoutError`) or the system's code (`ECONNREFUSED`). */
  code: string;
  /** HTTP status, 0 if none was given. */
  status: number;
}

/** S3's code and HTTP status of any thrown value. */
export function s3Told(error: unknown): Told {
  if (!(error instanceof Error)) return { code: '', status: 0 };
  const known = error as Error & {
    code?: unknown;
    $metadata?: { httpStatusCode?: number };
    $response?: { statusCode?: number };
  };
  const status = known.$metadata?.httpStatusCode ?? known.$response?.statusCode ?? 0;
  const generic = known.name === 'Error' || known.name === 'AggregateError';
  return { code: generic ? String(known.code ?? '') : known.name, status };
}

/** Codes that a person must act on, each with what to say; the rest goes by status. */
const REFUSALS: Record<string, string> = {
  InvalidAccessKeyId: 'does not know the access key: check AWS_ACCESS_KEY_ID',
  SignatureDoesNotMatch: 'says that the secret key is wrong: check AWS_SECRET_ACCESS_KEY',
  InvalidToken: 'does not take the session token',
  ExpiredToken: 'says that the session token has expired',
  AccessDenied: 'does not allow this with these keys',
  NoSuchBucket: 'has no such bucket',
  BucketAlreadyExists: 'gave that bucket name to somebody else',
  PermanentRedirect: 'has that bucket in another region; say region=…',
  AuthorizationHeaderMalformed: 'has that bucket in another region; say region=…',
  IllegalLocationConstraintException: 'has that bucket in another region; say region=…',
  InvalidLocationConstraint: 'does not know that region',
  InvalidBucketName: 'does not take that bucket name',
  CredentialsProviderError:
    'needs keys, and none were found (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile)',
};

const CORRUPT = new Set(['XAmzContentSHA256Mismatch', 'XAmzContentChecksumMismatch', 'BadDigest', 'InvalidDigest']);
/** The SDK sets its clock by the reply, so the same call made again is right. */
const CLOCK_SKEW = new Set(['RequestTimeTooSkewed', 'RequestExpired', 'RequestInTheFuture']);
const FULL = new Set(['QuotaExceeded', 'InsufficientStorage', 'InsufficientCapacity', 'XMinioStorageFull']);
const RETRYABLE_STATUS = new Set([408, 409, 425, 429, 500, 502, 503, 504, 507, 509, 522, 524]);

/**
 * Any error of a call to the S3 store described as `store`, about `subject` (an object's name or a deed), as a BaeError with
 * one sentence and no secrets.
 */
export function tellS3Error(store: string, subject: string, error: unknown): BaeError {
  if (error instanceof BaeError) return error;
  const { code, status } = s3Told(error);
  const cause = error;
  const refusal = REFUSALS[code];
  if (refusal !== undefined) return new BaeError('refused', `The store ${store} ${refusal}.`, { cause });
  if (CORRUPT.has(code)) {
    return new BaeError('corrupt', `${subject} is not what its SHA-256 says and was not stored.`, { cause });
  }
  if (FULL.has(code)) return new BaeError('unavailable', `The store ${store} is full.`, { cause });
  if (CLOCK_SKEW.has(code)) {
    return new BaeError('unavailable', `The store ${store} says that this machine's clock is wrong.`, { cause });
  }
  if (code === 'NoSuchKey' || code === 'NotFound' || status === 404) {
    return new BaeError('missing', `The store has no object ${subject}.`, { cause });
  }
  if (code === 'InvalidRange' || status === 416) {
    return new BaeError('corrupt', `${subject} ends before the bytes asked for.`, { cause });
  }
  if (status === 401 || status === 403) {
    return new BaeError('refused', `The store ${store} does not allow this with these keys.`, { cause });
  }
  if (RETRYABLE_STATUS.has(status)) {
    return new BaeError('unavailable', `The store ${store} is not well (HTTP ${status} ${code}).`, { cause });
  }
  return tellWithoutReply(store, subject, error, code, status);
}

/** Errors with no usable reply: the network's, or something nobody foresaw. */
function tellWithoutReply(store: string, subject: string, error: unknown, code: string, status: number): BaeError {
  const cause = error;
  if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS/.test(code)) {
    return new BaeError('refused', `The certificate of the store ${store} is not to be trusted (${code}).`, { cause });
  }
  if (errorMessage(error) === 'Region is missing') {
    return new BaeError('refused', `The store ${store} needs a region; say region=….`, { cause });
  }
  const network =
    code === 'TimeoutError' || /^E[A-Z_]+$/.test(code) || /socket hang up|aborted/.test(errorMessage(error));
  if (network) {
    return new BaeError(
      'unavailable',
      `The store ${store} does not answer (${code || errorMessage(error)}): is its endpoint right, and is it up?`,
      {
        cause,
      },
    );
  }
  if (status >= 200 && status < 300) {
    const words = `The store ${store} answers, and not as S3 does (HTTP ${status}): is its endpoint right?`;
    return new BaeError('refused', words, { cause });
  }
  const said = status === 0 ? errorMessage(error) : `HTTP ${status} ${code}`;
  return new BaeError('failed', `The store ${store} failed at ${subject}: ${said}.`, { cause });
}
