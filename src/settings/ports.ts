/** Limits of the whole of bae that may be changed while it runs, as whole bytes; 0: no limit. */
export interface Limits {
  /** Payload, over all torrents. */
  readonly uploadBytesPerSecond: number;
  readonly downloadBytesPerSecond: number;
  /** What one connection with a peer may be sent. */
  readonly peerUploadBytesPerSecond: number;
  /** What may be fetched from the store for peers in a day (UTC). */
  readonly egressBytesPerDay: number;
}

export type LimitName = keyof Limits;

/** Limits to set; those not named stay. */
export type LimitChanges = { readonly [Name in LimitName]?: number | undefined };

/** A limit that flags, environment or bae.toml say: it wins over what is set here, and only they change it. */
export interface FixedLimit {
  readonly value: number;
  /** The flag, variable or file that says it. */
  readonly where: string;
}

export type FixedLimits = { readonly [Name in LimitName]?: FixedLimit };
