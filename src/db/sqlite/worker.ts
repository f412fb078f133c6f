// The worker thread that owns the SQLite file: better-sqlite3's calls block, so they block here and nowhere else.
import { closeSync, openSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import Sqlite from 'better-sqlite3';
import type { Envelope, Outcome, Reply, Request, Statement, WorkerSetup } from './protocol.ts';

const BUSY_TIMEOUT_MILLISECONDS = 5000;
const PAGE_CACHE_KIBIBYTES = 8192;
/** The write-ahead log is cut back to this after a checkpoint. */
const WAL_LIMIT_BYTES = 64 * 1024 * 1024;
/** Prepared statements kept for each connection, oldest out first, and the longest text that is worth keeping. */
const MAX_PREPARED = 256;
const MAX_PREPARED_CHARACTERS = 16_384;

class Connection {
  readonly sqlite: Sqlite.Database;
  readonly #prepared = new Map<string, Sqlite.Statement<unknown[]>>();

  constructor(file: string) {
    this.sqlite = new Sqlite(file, { timeout: BUSY_TIMEOUT_MILLISECONDS });
    this.sqlite.pragma('journal_mode = WAL');
    this.sqlite.pragma('synchronous = FULL');
    this.sqlite.pragma('foreign_keys = ON');
    this.sqlite.pragma(`cache_size = -${PAGE_CACHE_KIBIBYTES}`);
    this.sqlite.pragma(`journal_size_limit = ${WAL_LIMIT_BYTES}`);
  }

  run({ sql, parameters }: Statement): Outcome {
    const statement = this.#prepare(sql);
    if (statement.reader) {
      return { rows: statement.all(...parameters) as Record<string, unknown>[], changes: 0, insertId: 0 };
    }
    const { changes, lastInsertRowid } = statement.run(...parameters);
    return { rows: [], changes, insertId: lastInsertRowid };
  }

  #prepare(sql: string): Sqlite.Statement<unknown[]> {
    const kept = this.#prepared.get(sql);
    if (kept !== undefined) {
      this.#prepared.delete(sql);
      this.#prepared.set(sql, kept);
      return kept;
    }
    const statement = this.sqlite.prepare<unknown[]>(sql);
    if (sql.length <= MAX_PREPARED_CHARACTERS) {
      this.#prepared.set(sql, statement);
      const oldest = this.#prepared.keys().next();
      if (this.#prepared.size > MAX_PREPARED && !oldest.done) this.#prepared.delete(oldest.value);
    }
    return statement;
  }
}

const NOTHING: Outcome = { rows: [], changes: 0, insertId: 0 };

class Owner {
  readonly #writer: Connection;
  readonly #reader: Connection;

  constructor(file: string) {
    // Made by us, so that it is nobody else's to read: it holds passkeys. The log files take its mode.
    closeSync(openSync(file, 'a', 0o600));
    this.#writer = new Connection(file);
    this.#reader = new Connection(file);
    this.#reader.sqlite.pragma('query_only = ON');
  }

  answer(request: Request): Outcome {
    const { sqlite } = this.#writer;
    switch (request.op) {
      case 'read':
        return this.#reader.run(request.statement);
      case 'write':
        if (request.expectTransaction) this.#mustBeInTransaction();
        return this.#writer.run(request.statement);
      case 'batch':
        return this.#batch(request.statements);
      case 'begin':
        sqlite.exec('begin immediate');
        return NOTHING;
      case 'commit':
        this.#mustBeInTransaction();
        sqlite.exec('commit');
        return NOTHING;
      case 'rollback':
        if (sqlite.inTransaction) sqlite.exec('rollback');
        return NOTHING;
      case 'close':
        this.#reader.sqlite.close();
        sqlite.close();
        return NOTHING;
    }
  }

  #batch(statements: readonly Statement[]): Outcome {
    let changes = 0;
    this.#writer.sqlite
      .transaction(() => {
        for (const statement of statements) changes += this.#writer.run(statement).changes;
      })
      .immediate();
    return { rows: [], changes, insertId: 0 };
  }

  #mustBeInTransaction(): void {
    if (!this.#writer.sqlite.inTransaction) throw new Error('the transaction was rolled back by an earlier error');
  }
}

function failure(id: number, error: unknown): Reply {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  return { id, failure: { code, message } };
}

function serve(): void {
  const port = parentPort;
  if (port === null) throw new Error('this file is a worker thread');
  let owner: Owner;
  try {
    owner = new Owner((workerData as WorkerSetup).file);
    port.postMessage({ id: 0, outcome: NOTHING } satisfies Reply);
  } catch (error) {
    port.postMessage(failure(0, error));
    return;
  }
  port.on('message', ({ id, request }: Envelope) => {
    try {
      port.postMessage({ id, outcome: owner.answer(request) } satisfies Reply);
    } catch (error) {
      port.postMessage(failure(id, error));
    }
    if (request.op === 'close') port.close();
  });
}

serve();
