import type { Log } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import type { Connection, ConnectionHandlers } from '../ports.ts';
import {
  encodeHandshake,
  type Handshake,
  HandshakeDecoder,
  isHandshakeStart,
  MSE_KEY_BYTES,
  MSE_METHODS,
  MSE_OPENING_BYTES,
  MseHandshake,
  ProtocolError,
  startsLikeHandshake,
} from '../wire/index.ts';
import type { AgreementQueue, Applicant } from './agreement-queue.ts';
import type { Slabs } from './batch.ts';
import { EncryptedConnection } from './encrypted-connection.ts';
import type { DhtPort, Encryption } from './types.ts';

/** What a greeting needs of the torrent it is for. */
export interface Host {
  readonly infoHash: Buffer;
  readonly peerId: Buffer;
  readonly isPrivate: boolean;
}

/** What all greetings of an engine share. */
export interface GreetingRules<Torrent extends Host> {
  readonly encryption: Encryption;
  readonly random: Random;
  readonly log: Log;
  readonly slabs: Slabs;
  readonly agreements: AgreementQueue;
  /** Peers of public torrents are told that we are in it (BEP 5), while it has a port. */
  readonly dht: DhtPort | null;
  /** By info-hash (valid during the call); null: unknown, or it takes nobody now. A promise: it has to be woken first. */
  find(infoHash: Buffer): Torrent | Promise<Torrent | null> | null;
  /** The info-hash of the one that an encrypted handshake names so. */
  findObfuscated(hash: Buffer): Buffer | null;
}

export interface GreetingOptions<Torrent extends Host> {
  /** The torrent dialled for; null for a connection that came: its info-hash tells. */
  readonly torrent: Torrent | null;
  /** Whether to begin with an encrypted handshake (MSE), where we are the one who dialled. */
  readonly encrypted: boolean;
  /** Both handshakes are there; `rest` came behind the peer's. The connection is the caller's from now on. */
  done(connection: Connection, torrent: Torrent, handshake: Handshake, rest: Buffer): void;
  /** The connection is gone. */
  failed(reason: string): void;
}

const EMPTY = Buffer.alloc(0);
/** What is kept of a peer that goes on sending while its torrent is woken: a chunk or two that were on their way. */
const EARLY_BYTES = 256 * 1024;

/**
 * A connection before its handshakes are exchanged: the encrypted one, if there is one, and BitTorrent's. It keeps little
 * and has a deadline (which whoever made it keeps).
 */
export class Greeting<Torrent extends Host> implements ConnectionHandlers, Applicant {
  readonly connection: Connection;
  /** Monotonic. */
  readonly deadline: number;
  readonly #rules: GreetingRules<Torrent>;
  readonly #options: GreetingOptions<Torrent>;
  readonly #decoder = new HandshakeDecoder();
  #torrent: Torrent | null;
  /** The torrent that an encrypted handshake was for. */
  #named: Buffer | null = null;
  /** Its torrent is being woken. */
  #isWaiting = false;
  #mse: MseHandshake | null = null;
  /** The first bytes of who came, until they tell a plain handshake from an encrypted one; null: they have. */
  #start: Buffer | null;
  /** It has been entered for a key agreement. */
  #hasAsked = false;
  #said = false;
  /** What came behind the handshake in an initial payload that is not over, or while its torrent is being woken. */
  #early = EMPTY;
  #over = false;

  constructor(
    connection: Connection,
    deadline: number,
    rules: GreetingRules<Torrent>,
    options: GreetingOptions<Torrent>,
  ) {
    this.connection = connection;
    this.deadline = deadline;
    this.#rules = rules;
    this.#options = options;
    this.#torrent = options.torrent;
    this.#start = options.torrent === null ? EMPTY : null;
  }

  /** We offered encryption, and the peer has not answered to it. */
  get isUnanswered(): boolean {
    return this.#options.encrypted && this.#mse?.infoHash === null;
  }

  start(): void {
    if (this.#torrent !== null && this.#options.encrypted) this.#initiate(this.#torrent);
    else if (this.#torrent !== null) this.#sayHandshake(this.#torrent);
    this.connection.handlers = this;
  }

  /** Ends it; `failed` is called, once. */
  end(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#rules.agreements.leave(this);
    this.connection.destroy();
    this.#options.failed(reason);
  }

  data(chunk: Buffer): void {
    if (this.#over) return;
    this.#guarded(() => this.#take(this.#payload(chunk)));
  }

  agree(): void {
    const start = this.#start ?? EMPTY;
    this.#start = null;
    this.#mse = this.#respond();
    this.#guarded(() => this.#mse?.push(start));
  }

  drained(): void {
    // A handshake is not worth waiting for.
  }

  closed(error?: Error): void {
    this.end(error?.message ?? 'closed by the peer');
  }

  /** What the bytes are once encryption is taken off. */
  #payload(chunk: Buffer): Buffer {
    if (this.#mse !== null) return this.#mse.push(chunk);
    if (this.#start === null) return chunk;
    const start = this.#start.length === 0 ? chunk : Buffer.concat([this.#start, chunk]);
    const { encryption } = this.#rules;
    if (!startsLikeHandshake(start) && encryption !== 'off') {
      this.#opening(start);
      return EMPTY;
    }
    if (isHandshakeStart(start) && encryption === 'require') throw new ProtocolError('handshake', 'not encrypted');
    const isDecided = isHandshakeStart(start) || encryption === 'off';
    this.#start = isDecided ? null : Buffer.from(start);
    return isDecided ? start : EMPTY;
  }

  /** Collects an encrypted handshake's beginning until there is a whole key, and it is this one's turn. */
  #opening(start: Buffer): void {
    if (start.length > MSE_OPENING_BYTES) throw new ProtocolError('mse', 'more than a key and its padding');
    this.#start = Buffer.from(start);
    if (this.#hasAsked || start.length < MSE_KEY_BYTES) return;
    this.#hasAsked = true;
    this.#rules.agreements.ask(this);
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      // A fault of ours costs one connection, not the process.
      if (!(error instanceof ProtocolError)) this.#rules.log.error('a handshake failed', { error });
      this.connection.destroy();
      this.end(error instanceof ProtocolError ? error.message : 'failed');
    }
  }

  #take(payload: Buffer): void {
    const rest = this.#decoder.push(payload);
    const { infoHash } = this.#decoder;
    if (infoHash === null) return;
    if (rest.length > 0) this.#early = Buffer.concat([this.#early, rest]);
    if (this.#isWaiting) {
      if (this.#early.length > EARLY_BYTES) throw new ProtocolError('handshake', 'more than was asked for');
      return;
    }
    const expected = this.#torrent?.infoHash ?? this.#named;
    const found = expected === null || expected.equals(infoHash) ? (this.#torrent ?? this.#rules.find(infoHash)) : null;
    if (found instanceof Promise) this.#waitFor(found);
    else this.#welcome(found);
  }

  /** The peer waits, and sends nothing more, until its torrent has been woken; its deadline stays. */
  #waitFor(waking: Promise<Torrent | null>): void {
    this.#isWaiting = true;
    this.connection.pause();
    void waking.then((torrent) => {
      this.#isWaiting = false;
      if (this.#over) return;
      this.#guarded(() => this.#welcome(torrent));
      this.connection.resume();
    });
  }

  #welcome(torrent: Torrent | null): void {
    this.#torrent = torrent;
    if (torrent === null) {
      this.end('unknown info-hash');
      return;
    }
    if (!this.#said) this.#sayHandshake(torrent);
    const { handshake } = this.#decoder;
    if (handshake === null || this.#mse?.isSettled === false) return;
    this.#over = true;
    this.#options.done(this.#established(), torrent, handshake, this.#early);
  }

  /** Where plaintext was agreed on, the connection itself: from now on encryption costs nothing. */
  #established(): Connection {
    if (this.#mse === null) return this.connection;
    const { streams } = this.#mse;
    if (streams !== null) return new EncryptedConnection(this.connection, streams, this.#rules.slabs);
    this.connection.encryption = 'header';
    return this.connection;
  }

  #sayHandshake(torrent: Torrent): void {
    this.#said = true;
    const bytes = handshakeOf(torrent, this.#rules.dht);
    this.connection.write([this.#mse?.streams?.encrypt.apply(bytes) ?? bytes]);
  }

  #initiate(torrent: Torrent): void {
    this.#said = true;
    const { infoHash } = torrent;
    this.#mse = MseHandshake.initiate({
      ...this.#mseOptions(),
      infoHash,
      initialPayload: handshakeOf(torrent, this.#rules.dht),
    });
  }

  #respond(): MseHandshake {
    return MseHandshake.respond({
      ...this.#mseOptions(),
      find: (obfuscated) => {
        this.#named = this.#rules.findObfuscated(obfuscated);
        return this.#named;
      },
    });
  }

  #mseOptions() {
    const { random, encryption } = this.#rules;
    const methods = encryption === 'require' ? MSE_METHODS.rc4 : MSE_METHODS.rc4 | MSE_METHODS.plaintext;
    return { methods, random, send: (bytes: Buffer) => this.connection.write([bytes]) };
  }
}

function handshakeOf({ infoHash, peerId, isPrivate }: Host, dht: DhtPort | null): Buffer {
  const usesDht = !isPrivate && dht !== null && dht.port !== null;
  return encodeHandshake({ infoHash, peerId, features: { extended: true, fast: true, dht: usesDht } });
}
