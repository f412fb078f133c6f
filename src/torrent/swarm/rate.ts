/** How much of the newest second counts. */
const WEIGHT = 0.3;

/** Bytes in all and bytes per second, smoothed over the last few seconds. */
export class Rate {
  total = 0;
  #counted = 0;
  #perSecond = 0;

  add(bytes: number): void {
    this.total += bytes;
  }

  get bytesPerSecond(): number {
    return this.#perSecond;
  }

  /** To be called about once a second with the time since the last call. */
  tick(milliseconds: number): void {
    if (milliseconds <= 0) return;
    const now = ((this.total - this.#counted) * 1000) / milliseconds;
    this.#counted = this.total;
    this.#perSecond = this.#perSecond === 0 ? now : this.#perSecond + WEIGHT * (now - this.#perSecond);
    if (this.#perSecond < 1) this.#perSecond = 0;
  }
}
