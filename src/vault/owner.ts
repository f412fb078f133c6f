import { join } from 'node:path';
import type { Clock, Timer } from '../lib/clock.ts';
import { BaeError, errorKind, errorMessage } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Random } from '../lib/random.ts';
import { type Files, writeDurably } from './files.ts';
import type { ObjectStore } from './store/index.ts';

export const OWNER_NAME = 'o/owner';
export const RENEW_MILLISECONDS = 60_000;
/** An owner that was not renewed for so long is gone. */
export const STALE_MILLISECONDS = 5 * 60_000;
const INSTANCE_BYTES = 16;

export interface OwnerParts {
  readonly store: ObjectStore;
  readonly files: Files;
  readonly dataDir: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

interface OwnerObject {
  readonly instance: string;
  readonly renewedAt: number;
}

/**
 * One writer a library: an object in the bucket that says which data folder writes now, in random ids only. The id lies in
 * the data folder, so a run that was killed does not stand in its own way; the folder's lock keeps two runs apart.
 */
export class Owner {
  readonly #parts: OwnerParts;
  readonly #instance: string;
  #timer: Timer | null = null;
  #renewedAt = 0;
  #lostTo: string | null = null;
  #renewing: Promise<void> | null = null;

  private constructor(parts: OwnerParts, instance: string) {
    this.#parts = parts;
    this.#instance = instance;
  }

  /** Takes the library; `refused` when another data folder's bae renewed its claim in the last five minutes. */
  static async take(parts: OwnerParts): Promise<Owner> {
    const owner = new Owner(parts, await instanceId(parts));
    await owner.#renew();
    owner.#timer = parts.clock.every(RENEW_MILLISECONDS, () => {
      owner
        .#renewOnce()
        .catch((error) => parts.log.warn('The claim to the library was not renewed.', { error: errorMessage(error) }));
    });
    return owner;
  }

  /** Resolves when this run may write to the store; `refused` when another took the library meanwhile. */
  async ensure(): Promise<void> {
    if (this.#lostTo !== null) throw taken(this.#parts.store.describe());
    if (this.#parts.clock.monotonic() - this.#renewedAt >= STALE_MILLISECONDS) await this.#renewOnce();
  }

  /** Ends the renewing. */
  stop(): void {
    this.#timer?.cancel();
  }

  /** Gives the library free, so that another machine may go on at once. */
  async release(): Promise<void> {
    this.stop();
    if (this.#lostTo !== null) return;
    await this.#parts.store.delete(OWNER_NAME);
  }

  #renewOnce(): Promise<void> {
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = null;
    });
    return this.#renewing;
  }

  async #renew(): Promise<void> {
    const { store, clock } = this.#parts;
    const startedAt = clock.monotonic();
    const body = Buffer.from(
      JSON.stringify({ instance: this.#instance, renewedAt: clock.now() } satisfies OwnerObject),
    );
    const found = await this.#read();
    if (found === null && (await store.put(OWNER_NAME, body, { ifAbsent: true })) === 'exists') {
      return this.#renew();
    }
    if (found !== null) {
      this.#checkOther(found);
      await store.put(OWNER_NAME, body);
      const now = await this.#read();
      if (now !== null) this.#checkOther(now);
    }
    this.#renewedAt = startedAt;
  }

  #checkOther(found: OwnerObject): void {
    if (found.instance === this.#instance || this.#parts.clock.now() - found.renewedAt >= STALE_MILLISECONDS) return;
    this.#lostTo = found.instance;
    throw taken(this.#parts.store.describe());
  }

  async #read(): Promise<OwnerObject | null> {
    try {
      return parseOwner(await this.#parts.store.get(OWNER_NAME));
    } catch (error) {
      if (errorKind(error) === 'missing') return null;
      throw error;
    }
  }
}

function taken(where: string): BaeError {
  const words = `Another bae writes to the library in ${where}: stop that one, or wait five minutes if it is gone.`;
  return new BaeError('refused', words);
}

/** What cannot be read is nobody's claim. */
function parseOwner(body: Buffer): OwnerObject {
  const found = /^\{"instance":"([0-9a-f]{32})","renewedAt":(\d{1,15})\}$/.exec(body.toString('utf8'));
  return { instance: found?.[1] ?? '', renewedAt: Number(found?.[2] ?? 0) };
}

async function instanceId(parts: OwnerParts): Promise<string> {
  const path = join(parts.dataDir, 'instance');
  const text = (await parts.files.read(path))?.toString('utf8').trim();
  if (text !== undefined && /^[0-9a-f]{32}$/.test(text)) return text;
  const made = parts.random.bytes(INSTANCE_BYTES).toString('hex');
  await writeDurably(parts.files, path, Buffer.from(`${made}\n`));
  return made;
}
