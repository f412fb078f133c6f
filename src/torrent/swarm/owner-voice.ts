import { errorMessage } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { TorrentListener } from './types.ts';

/** How a torrent tells its owner of things. A fault of the listener is its own: peers are served all the same. */
export class OwnerVoice {
  listener: TorrentListener;
  readonly #log: Log;

  constructor(listener: TorrentListener, log: Log) {
    this.listener = listener;
    this.#log = log;
  }

  tell(call: (listener: TorrentListener) => void): void {
    try {
      call(this.listener);
    } catch (error) {
      this.#log.error('a torrent listener failed', { error: errorMessage(error) });
    }
  }

  error(error: unknown): void {
    const told = error instanceof Error ? error : new Error(errorMessage(error));
    this.tell((listener) => listener.onError?.(told));
  }

  /** Work that nobody waits for. */
  behind(work: Promise<void>): void {
    work.catch((error: unknown) => this.error(error));
  }
}
