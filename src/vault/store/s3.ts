import { Readable } from 'node:stream';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { BaeError } from '../../lib/errors.ts';
import { cancelled, checkBody, checkName, checkPrefix, checkRange, isName, tooShort } from './contract.ts';
import {
  type CallOptions,
  type GetOptions,
  MAX_OBJECT_BYTES,
  type ObjectInfo,
  type ObjectStore,
  type PutOptions,
} from './ports.ts';
import { MAX_SOCKETS, type S3Options, s3Client } from './s3-client.ts';
import { s3Told, tellS3Error } from './s3-errors.ts';
import { Slots } from './slots.ts';

/** `~` is in no object's name. */
const PROBE_NAME = '~conditional-put';

/**
 * Opens an S3 bucket (or a prefix of one) as a store; makes the bucket if it is missing and the keys allow it. Rejects with
 * `refused` (keys, bucket, region) or `unavailable`, each in one sentence.
 */
export async function s3Store(options: S3Options): Promise<ObjectStore> {
  const store = new S3Store(options);
  try {
    await store.open();
  } catch (error) {
    await store.close();
    throw error;
  }
  return store;
}

class S3Store implements ObjectStore {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #description: string;
  readonly #slots = new Slots(MAX_SOCKETS);
  /** Whether the provider keeps `If-None-Match: *`; asked once, at the first need. */
  #conditional: Promise<boolean> | null = null;
  /** Where it does not: the last put-if-absent of each name under way, so that one of ours wins at least. */
  readonly #absentPuts = new Map<string, Promise<unknown>>();

  constructor(options: S3Options) {
    this.#client = s3Client(options);
    this.#bucket = options.bucket;
    this.#prefix = options.prefix;
    const where = options.endpoint === undefined ? (options.region ?? 'AWS') : new URL(options.endpoint).host;
    this.#description = `s3://${options.bucket}/${options.prefix} at ${where}`;
  }

  /** Sees that the bucket can be listed, and makes it if it is not there. */
  async open(): Promise<void> {
    const bucket = { Bucket: this.#bucket };
    await this.#call('opening it', undefined, async () => {
      try {
        await this.#client.send(new ListObjectsV2Command({ ...bucket, Prefix: this.#prefix, MaxKeys: 1 }));
        return;
      } catch (error) {
        const { code, status } = s3Told(error);
        if (code !== 'NoSuchBucket' && status === 404) {
          throw new BaeError('refused', `What answers for ${this.#description} is no S3 store (HTTP 404).`);
        }
        if (code !== 'NoSuchBucket') throw error;
      }
      try {
        await this.#client.send(new CreateBucketCommand(bucket));
      } catch (error) {
        // Somebody of ours made it meanwhile.
        if (s3Told(error).code !== 'BucketAlreadyOwnedByYou') throw error;
      }
    });
  }

  async put(name: string, body: Buffer, options: PutOptions = {}): Promise<'stored' | 'exists'> {
    checkName(name);
    checkBody(name, body);
    if (!options.ifAbsent) return await this.#putObject(name, body, options, false);
    this.#conditional ??= this.#probe(options).catch((error: unknown) => {
      this.#conditional = null;
      throw error;
    });
    if (await this.#conditional) return await this.#putObject(name, body, options, true);
    return await this.#inTurn(name, async () =>
      (await this.head(name, options)) === null ? await this.#putObject(name, body, options, false) : 'exists',
    );
  }

  /** Bytes must cross a network. */
  async link(name: string): Promise<boolean> {
    checkName(name);
    return false;
  }

  async get(name: string, options: GetOptions = {}): Promise<Buffer> {
    checkName(name);
    checkRange(options.range);
    const { range, signal } = options;
    return await this.#call(name, signal, async () => {
      const Range = range === undefined ? undefined : `bytes=${range.offset}-${range.offset + range.length - 1}`;
      const command = new GetObjectCommand({ Bucket: this.#bucket, Key: this.#prefix + name, Range });
      const reply = await this.#client.send(command, withSignal(signal));
      if (!(reply.Body instanceof Readable)) throw new Error('the reply has no body');
      return await collect(name, reply.Body, reply.ContentLength, range?.length);
    });
  }

  async head(name: string, options: CallOptions = {}): Promise<{ size: number } | null> {
    checkName(name);
    return await this.#call(name, options.signal, async () => {
      try {
        const command = new HeadObjectCommand({ Bucket: this.#bucket, Key: this.#prefix + name });
        const reply = await this.#client.send(command, withSignal(options.signal));
        return { size: reply.ContentLength ?? 0 };
      } catch (error) {
        if (s3Told(error).status === 404) return null;
        throw error;
      }
    });
  }

  async delete(name: string, options: CallOptions = {}): Promise<void> {
    checkName(name);
    await this.#call(name, options.signal, async () => {
      try {
        const command = new DeleteObjectCommand({ Bucket: this.#bucket, Key: this.#prefix + name });
        await this.#client.send(command, withSignal(options.signal));
      } catch (error) {
        if (s3Told(error).code !== 'NoSuchKey') throw error;
      }
    });
  }

  async *list(prefix: string, options: CallOptions = {}): AsyncGenerator<ObjectInfo, void, undefined> {
    checkPrefix(prefix);
    let token: string | undefined;
    do {
      const page = await this.#call(`listing ${prefix}*`, options.signal, () =>
        this.#client.send(
          new ListObjectsV2Command({
            Bucket: this.#bucket,
            Prefix: this.#prefix + prefix,
            ContinuationToken: token,
          }),
          withSignal(options.signal),
        ),
      );
      for (const { Key = '', Size = 0 } of page.Contents ?? []) {
        const name = Key.slice(this.#prefix.length);
        // What others left in the bucket is not ours to tell.
        if (isName(name)) yield { name, size: Size };
      }
      const next = page.IsTruncated ? page.NextContinuationToken : undefined;
      if (next !== undefined && next === token) {
        throw new BaeError('failed', `The store ${this.#description} lists the same page again and again.`);
      }
      token = next;
    } while (token !== undefined);
  }

  describe(): string {
    return this.#description;
  }

  async close(): Promise<void> {
    this.#slots.close(new BaeError('unavailable', 'The store was closed.', { retryable: false }));
    this.#client.destroy();
  }

  async #putObject(
    name: string,
    body: Buffer,
    { sha256, signal }: PutOptions,
    conditional: boolean,
  ): Promise<'stored' | 'exists'> {
    return await this.#call(name, signal, async () => {
      try {
        const command = new PutObjectCommand({
          Bucket: this.#bucket,
          Key: this.#prefix + name,
          Body: body,
          ContentLength: body.length,
          IfNoneMatch: conditional ? '*' : undefined,
          ChecksumSHA256: sha256?.toString('base64'),
        });
        await this.#client.send(command, withSignal(signal));
        return 'stored';
      } catch (error) {
        if (conditional && s3Told(error).status === 412) return 'exists';
        throw error;
      }
    });
  }

  /** Whether two conditional puts of one name give one winner; some answer 501, others let both win. */
  async #probe({ signal }: PutOptions): Promise<boolean> {
    const nothing = Buffer.alloc(0);
    try {
      for (let put = 0; put < 2; put++) {
        if ((await this.#putObject(PROBE_NAME, nothing, { signal }, true)) === 'exists') return true;
      }
      return false;
    } catch (error) {
      if (error instanceof BaeError && s3Told(error.cause).status === 501) return false;
      throw error;
    }
  }

  /** Runs `work` when the last of the same name has ended. */
  async #inTurn<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    const before = this.#absentPuts.get(name);
    const turn = before === undefined ? work() : before.then(work, work);
    this.#absentPuts.set(name, turn);
    try {
      return await turn;
    } finally {
      if (this.#absentPuts.get(name) === turn) this.#absentPuts.delete(name);
    }
  }

  /** Runs one call in a slot, with its errors told as BaeErrors. */
  async #call<Result>(subject: string, signal: AbortSignal | undefined, work: () => Promise<Result>): Promise<Result> {
    return await this.#slots.run(signal, async () => {
      try {
        return await work();
      } catch (error) {
        throw signal?.aborted ? cancelled(signal) : tellS3Error(this.#description, subject, error);
      }
    });
  }
}

function withSignal(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}

/** A reply's body in one buffer, exactly as long as announced and as wanted. */
function collect(name: string, body: Readable, announced: number | undefined, wanted?: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const refuse = (error: BaeError) => {
      body.on('error', () => reject(error));
      body.destroy(error);
    };
    if (announced === undefined) {
      refuse(new BaeError('failed', `The store does not say how long ${name} is.`));
    } else if (wanted !== undefined && announced !== wanted) {
      refuse(tooShort(name, wanted, announced));
    } else if (announced > MAX_OBJECT_BYTES) {
      refuse(new BaeError('corrupt', `${name} has ${announced} bytes, too many for an object.`));
    } else {
      const whole = Buffer.allocUnsafeSlow(announced);
      let got = 0;
      body.on('data', (part: Buffer) => {
        // copy stops at the buffer's end
        part.copy(whole, got);
        got += part.length;
      });
      body.on('end', () => (got === announced ? resolve(whole) : reject(tooShort(name, announced, got))));
      body.on('error', reject);
      body.on('close', () => {
        if (got < announced) reject(new BaeError('unavailable', `The store broke off in the middle of ${name}.`));
      });
    }
  });
}
