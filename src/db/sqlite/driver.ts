import {
  type CompiledQuery,
  createQueryId,
  type DatabaseConnection,
  type Driver,
  IdentifierNode,
  type QueryCompiler,
  type QueryResult,
  RawNode,
  SelectQueryNode,
} from 'kysely';
import { BaeError } from '../../lib/errors.ts';
import { decodeRows, encodeParameter } from '../codec.ts';
import type { SqliteClient } from './client.ts';
import type { WriteLock } from './lock.ts';
import type { Statement } from './protocol.ts';

/**
 * Kysely's driver over the worker thread. Transactions and writes go one after the other, on one connection. A plain select
 * outside a transaction goes to the worker's second connection: it waits for no transaction and sees what is committed.
 */
export class SqliteDriver implements Driver {
  readonly #client: SqliteClient;
  readonly #lock: WriteLock;

  constructor(client: SqliteClient, lock: WriteLock) {
    this.#client = client;
    this.#lock = lock;
  }

  init(): Promise<void> {
    return Promise.resolve();
  }

  acquireConnection(): Promise<DatabaseConnection> {
    return Promise.resolve(new SqliteConnection(this.#client, this.#lock));
  }

  beginTransaction(connection: DatabaseConnection): Promise<void> {
    return own(connection).begin();
  }

  commitTransaction(connection: DatabaseConnection): Promise<void> {
    return own(connection).end('commit');
  }

  rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    return own(connection).end('rollback');
  }

  savepoint(connection: DatabaseConnection, name: string, compile: QueryCompiler['compileQuery']): Promise<void> {
    return own(connection).command('savepoint', name, compile);
  }

  rollbackToSavepoint(
    connection: DatabaseConnection,
    name: string,
    compile: QueryCompiler['compileQuery'],
  ): Promise<void> {
    return own(connection).command('rollback to', name, compile);
  }

  releaseSavepoint(
    connection: DatabaseConnection,
    name: string,
    compile: QueryCompiler['compileQuery'],
  ): Promise<void> {
    return own(connection).command('release', name, compile);
  }

  releaseConnection(): Promise<void> {
    return Promise.resolve();
  }

  /** Lets the writes in line go first; Kysely calls it once. */
  async destroy(): Promise<void> {
    await this.#lock.acquire();
    try {
      await this.#client.close();
    } finally {
      this.#lock.release();
    }
  }
}

function own(connection: DatabaseConnection): SqliteConnection {
  if (connection instanceof SqliteConnection) return connection;
  throw new TypeError('a connection of another driver');
}

class SqliteConnection implements DatabaseConnection {
  readonly #client: SqliteClient;
  readonly #lock: WriteLock;
  #inTransaction = false;

  constructor(client: SqliteClient, lock: WriteLock) {
    this.#client = client;
    this.#lock = lock;
  }

  async begin(): Promise<void> {
    await this.#lock.acquire();
    try {
      await this.#client.send({ op: 'begin' });
      this.#inTransaction = true;
    } finally {
      if (!this.#inTransaction) this.#lock.release();
    }
  }

  async end(op: 'commit' | 'rollback'): Promise<void> {
    if (!this.#inTransaction) return;
    try {
      await this.#client.send({ op });
    } catch (error) {
      // Kysely does not roll back after a failed commit.
      if (op === 'commit') await this.#client.send({ op: 'rollback' });
      throw error;
    } finally {
      this.#inTransaction = false;
      this.#lock.release();
    }
  }

  async command(words: string, name: string, compile: QueryCompiler['compileQuery']): Promise<void> {
    const node = RawNode.createWithChildren([RawNode.createWithSql(`${words} `), IdentifierNode.create(name)]);
    await this.executeQuery(compile(node, createQueryId()));
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const statement = encodeStatement(query);
    if (this.#inTransaction) return this.#write(statement);
    if (SelectQueryNode.is(query.query)) {
      const { rows } = await this.#client.send({ op: 'read', statement });
      return { rows: decodeRows(rows) as R[] };
    }
    await this.#lock.acquire();
    try {
      return await this.#write(statement);
    } finally {
      this.#lock.release();
    }
  }

  streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new BaeError('failed', 'Queries are not streamed: page through them by key.');
  }

  async #write<R>(statement: Statement): Promise<QueryResult<R>> {
    const outcome = await this.#client.send({ op: 'write', statement, expectTransaction: this.#inTransaction });
    return {
      rows: decodeRows(outcome.rows) as R[],
      insertId: BigInt(outcome.insertId),
      numAffectedRows: BigInt(outcome.changes),
    };
  }
}

/** The statement as it crosses to the worker. */
export function encodeStatement(query: CompiledQuery): Statement {
  return { sql: query.sql, parameters: query.parameters.map(encodeParameter) };
}
