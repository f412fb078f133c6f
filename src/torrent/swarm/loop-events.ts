/** What does not change in a torrent's life. */
export interface Identity {
  readonly infoHash: Buffer;
  readonly peerId: Buffer;
  readonly isPrivate: boolean;
}

/** What the loop tells of what happens with its peers. */
export interface LoopEvents {
  onRawInfo(rawInfo: Buffer): void;
  onVerified(index: number, bytes: number): void;
  onWanted(): void;
  onComplete(): void;
  onWriteFailed(error: unknown): void;
}
