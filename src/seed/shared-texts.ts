/** Texts that are kept once. */
export const TEXTS_SHARED = 1_000;

/** Gives texts that are the same as one string: thousands of torrents have one announce URL. */
export class SharedTexts {
  readonly #texts = new Map<string, string>();

  share(text: string): string {
    const shared = this.#texts.get(text);
    if (shared === undefined && this.#texts.size < TEXTS_SHARED) this.#texts.set(text, text);
    return shared ?? text;
  }
}
