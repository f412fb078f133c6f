import type { SqlValue } from '../codec.ts';

/** What the driver and its worker say to each other; nothing else crosses. */
export interface Statement {
  readonly sql: string;
  readonly parameters: readonly SqlValue[];
}

export type Request =
  /** `expectTransaction`: fail rather than write outside the transaction this statement was meant for. */
  | { readonly op: 'write'; readonly statement: Statement; readonly expectTransaction: boolean }
  /** On the second connection, which sees what is committed and cannot write. */
  | { readonly op: 'read'; readonly statement: Statement }
  /** All or none, in one transaction. */
  | { readonly op: 'batch'; readonly statements: readonly Statement[] }
  | { readonly op: 'begin' }
  | { readonly op: 'commit' }
  /** No error if the database rolled back by itself (a full disk does that). */
  | { readonly op: 'rollback' }
  | { readonly op: 'close' };

export interface Envelope {
  readonly id: number;
  readonly request: Request;
}

export interface Outcome {
  rows: Record<string, unknown>[];
  changes: number;
  insertId: number | bigint;
}

export type Reply =
  | { readonly id: number; readonly outcome: Outcome }
  /** `code` is SQLite's extended result code by name, '' where it is no error of SQLite's. */
  | { readonly id: number; readonly failure: { readonly code: string; readonly message: string } };

export interface WorkerSetup {
  readonly file: string;
}
