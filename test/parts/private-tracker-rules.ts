// What the common private-tracker programs do with announces, as far as their public rules go: Ocelot with Gazelle, UNIT3D,
// TorrentPier and their like. Pure: time comes as an argument.

export type TrackerEvent = '' | 'started' | 'completed' | 'stopped' | 'paused';

/** One announce as it came in. */
export interface PrivateAnnounce {
  /** Of the path. */
  readonly passkey: string;
  /** 40 hex digits each. */
  readonly infoHash: string;
  readonly peerId: string;
  readonly event: TrackerEvent;
  readonly uploaded: number;
  readonly downloaded: number;
  readonly left: number;
  readonly port: number;
  readonly address: string;
  readonly key: string | null;
  readonly compact: string | null;
  readonly userAgent: string;
  /** Names of all headers, lower case. */
  readonly headers: readonly string[];
  /** Milliseconds. */
  readonly at: number;
}

/** A user's account. */
export interface Credit {
  uploaded: number;
  downloaded: number;
  /** `completed` announces that counted. */
  snatches: number;
}

interface Peer {
  readonly passkey: string;
  readonly infoHash: string;
  uploaded: number;
  downloaded: number;
  left: number;
  port: number;
  address: string;
  seenAt: number;
}

/** What an announce is answered with: a failure reason, or the other peers. */
export type Answer = { readonly failure: string } | { readonly peers: readonly Peer[]; readonly seeders: number };

const SAME_EVENT_MILLISECONDS = 30_000;
const MOST_AGENT_CHARACTERS = 64;

export class PrivateTrackerRules {
  readonly #users = new Map<string, Credit>();
  readonly #torrents = new Set<string>();
  /** By passkey, torrent and peer id. */
  readonly #peers = new Map<string, Peer>();
  /** When each event of a peer was taken last. */
  readonly #events = new Map<string, number>();
  /** Peer ids that may come in begin with one of these; empty: all may. */
  allowedClients: readonly string[] = [];

  addUser(passkey: string): void {
    this.#users.set(passkey, { uploaded: 0, downloaded: 0, snatches: 0 });
  }

  removeUser(passkey: string): void {
    this.#users.delete(passkey);
  }

  register(infoHash: string): void {
    this.#torrents.add(infoHash);
  }

  unregister(infoHash: string): void {
    this.#torrents.delete(infoHash);
  }

  credit(passkey: string): Readonly<Credit> {
    const credit = this.#users.get(passkey);
    if (credit === undefined) throw new Error('there is no such user');
    return credit;
  }

  /** Peers of a user on a torrent now. */
  peersOf(passkey: string, infoHash: string): number {
    return [...this.#peers.values()].filter((peer) => peer.passkey === passkey && peer.infoHash === infoHash).length;
  }

  announce(announce: PrivateAnnounce): Answer {
    const user = this.#users.get(announce.passkey);
    const refusal = this.#refusal(announce, user);
    if (refusal !== null || user === undefined) return { failure: refusal ?? 'Passkey not found' };
    const name = `${announce.passkey} ${announce.infoHash} ${announce.peerId}`;
    const eventName = `${name} ${announce.event}`;
    const last = this.#events.get(eventName);
    if (last !== undefined && announce.at - last < SAME_EVENT_MILLISECONDS) {
      return { failure: 'The same event came less than 30 seconds ago' };
    }
    this.#events.set(eventName, announce.at);
    this.#count(user, name, announce);
    const others = [...this.#peers].filter(([key, peer]) => key !== name && peer.infoHash === announce.infoHash);
    const all = [...this.#peers.values()].filter(({ infoHash }) => infoHash === announce.infoHash);
    return { peers: others.map(([, peer]) => peer), seeders: all.filter(({ left }) => left === 0).length };
  }

  #refusal(announce: PrivateAnnounce, user: Credit | undefined): string | null {
    const { userAgent, headers, compact, infoHash, peerId } = announce;
    if (userAgent.length < 1 || userAgent.length > MOST_AGENT_CHARACTERS) return 'Invalid user agent';
    if (headers.includes('accept-language') || headers.includes('cookie')) return 'Access denied: this is a browser';
    if (compact !== '1') return 'Your client does not support compact announces';
    if (user === undefined) return `Passkey ${announce.passkey} not found`;
    const id = Buffer.from(peerId, 'hex').toString('latin1');
    if (this.allowedClients.length > 0 && !this.allowedClients.some((prefix) => id.startsWith(prefix))) {
      return 'Your client is not on the whitelist';
    }
    return this.#torrents.has(infoHash) ? null : 'Unregistered torrent';
  }

  #count(user: Credit, name: string, announce: PrivateAnnounce): void {
    const { passkey, infoHash, uploaded, downloaded, left, port, address, event, at } = announce;
    const peer = this.#peers.get(name);
    const isNew = peer === undefined || event === 'started';
    // What came down tells of another run of the client: a new base, and no credit.
    const isReset = peer !== undefined && (uploaded < peer.uploaded || downloaded < peer.downloaded);
    if (peer !== undefined && !isNew && !isReset) {
      user.uploaded += uploaded - peer.uploaded;
      user.downloaded += downloaded - peer.downloaded;
    }
    if (event === 'completed') user.snatches++;
    if (event === 'stopped') this.#peers.delete(name);
    else this.#peers.set(name, { passkey, infoHash, uploaded, downloaded, left, port, address, seenAt: at });
  }
}
