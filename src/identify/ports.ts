/** What a file's own tags say; every part may be missing. Texts are of one line and short; numbers are in range. */
export interface Tags {
  readonly albumArtist?: string;
  readonly artist?: string;
  readonly album?: string;
  /** 1000 to 9999. */
  readonly year?: number;
  readonly title?: string;
  /** From 1. */
  readonly disc?: number;
  /** From 1. */
  readonly track?: number;
  readonly durationMs?: number;
}

/** A file that may have tags. */
export interface TagSource {
  /** Its last label: the ending tells the format. */
  readonly name: string;
  /** Bytes. */
  readonly length: number;
  /** Exactly the bytes asked for, which lie within the file. */
  readonly read: (offset: number, length: number) => Promise<Uint8Array>;
}

/** Bytes of a file that were read. */
export interface Window {
  readonly offset: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface ParseRequest {
  readonly name: string;
  /** Bytes of the whole file. */
  readonly length: number;
  /** Sorted, none touching another's bytes. */
  readonly windows: readonly Window[];
}

/** The tags, a range that must be read first, or why there are none. */
export type ParseOutcome =
  | { readonly tags: Tags }
  | { readonly missing: { readonly offset: number; readonly length: number } }
  | { readonly fault: string };

export interface ParseAnswer {
  readonly outcome: ParseOutcome;
  /** The request's, handed back: a thread may have taken them. */
  readonly windows: readonly Window[];
}

/** Parsing as an argument: in a thread of its own, or inline in tests. */
export interface TagParser {
  /** Rejects (BaeError `failed`) when the parser ended without an answer; `cancelled` after close. */
  parse(request: ParseRequest): Promise<ParseAnswer>;
  close(): Promise<void>;
}
