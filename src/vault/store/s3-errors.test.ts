import { expect, it } from 'vitest';
import { BaeError } from '../../lib/errors.ts';
import { s3Told, tellS3Error } from './s3-errors.ts';

/** An error as the SDK throws it for a reply. */
function replied(name: string, status: number): Error {
  return Object.assign(new Error('UnknownError'), { name, $metadata: { httpStatusCode: status } });
}
const system = (code: string) => Object.assign(new Error(`connect ${code} 10.0.0.1:443`), { code });

it.each([
  [replied('NoSuchKey', 404), 'missing', false],
  [replied('NotFound', 404), 'missing', false],
  [replied('InvalidRange', 416), 'corrupt', false],
  [replied('XAmzContentSHA256Mismatch', 400), 'corrupt', false],
  [replied('NoSuchBucket', 404), 'refused', false],
  [replied('AccessDenied', 403), 'refused', false],
  [replied('403', 403), 'refused', false],
  [replied('ExpiredToken', 400), 'refused', false],
  [replied('PermanentRedirect', 301), 'refused', false],
  [replied('CredentialsProviderError', 0), 'refused', false],
  [system('DEPTH_ZERO_SELF_SIGNED_CERT'), 'refused', false],
  [system('ERR_TLS_CERT_ALTNAME_INVALID'), 'refused', false],
  [new Error('Region is missing'), 'refused', false],
  [replied('QuotaExceeded', 403), 'unavailable', true],
  [replied('RequestTimeTooSkewed', 403), 'unavailable', true],
  [replied('SlowDown', 503), 'unavailable', true],
  [replied('ConditionalRequestConflict', 409), 'unavailable', true],
  [replied('SyntaxError', 502), 'unavailable', true],
  [Object.assign(new Error('x'), { $response: { statusCode: 500 } }), 'unavailable', true],
  [system('ECONNREFUSED'), 'unavailable', true],
  [system('EAI_AGAIN'), 'unavailable', true],
  [Object.assign(new Error('slow'), { name: 'TimeoutError' }), 'unavailable', true],
  [new Error('socket hang up'), 'unavailable', true],
  [Object.assign(new Error('a page'), { $response: { statusCode: 200 } }), 'refused', false],
  [replied('NotImplemented', 501), 'failed', false],
  [new TypeError('a bug'), 'failed', false],
  ['no error at all', 'failed', false],
])('tells %s', (error, kind, retryable) => {
  const told = tellS3Error('s3://bucket/ at host', 'c/one', error);
  expect(told).toBeInstanceOf(BaeError);
  expect([told.kind, told.retryable]).toEqual([kind, retryable]);
  expect(told.message).toMatch(/^[A-Zc].*[.?]$/);
});

it('leaves BaeErrors as they are, and reads codes of network errors', () => {
  const own = new BaeError('corrupt', 'Cut short.');
  expect(tellS3Error('store', 'c/one', own)).toBe(own);
  expect(s3Told(system('EPIPE'))).toEqual({ code: 'EPIPE', status: 0 });
  expect(s3Told(null)).toEqual({ code: '', status: 0 });
});
