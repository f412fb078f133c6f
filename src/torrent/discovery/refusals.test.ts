import { describe, expect, test } from 'vitest';
import { earlyOf, type Refusal, refusalOf, refusalWords } from './refusals.ts';

/** What the common tracker programs say, from their public sources, and what that is told as. */
const SAID: Readonly<Record<string, readonly (readonly [string, Refusal | null])[]>> = {
  'Ocelot, for Gazelle': [
    ['Authentication failure', 'account'],
    ['Passkey not found', 'passkey'],
    ['Unregistered torrent', 'torrent'],
    ['Unregistered torrent: Dupe', 'torrent'],
    ['Unregistered torrent: Trump', 'torrent'],
    ['Your client is not on the whitelist', 'client'],
    ['Access denied, leeching forbidden', 'account'],
    ['Invalid peer ID', 'client'],
    ['The tracker is temporarily unavailable.', null],
    ['Malformed announce', null],
  ],
  'UNIT3D and its announce server': [
    ['Client is not acceptable. Please check our blacklist.', 'client'],
    ['Client -BA0100- is not acceptable! Please check our Whitelist.', 'client'],
    ['Client bae banned due to: cheating .', 'client'],
    ['Your client is too old. please update it after 2.0 .', 'client'],
    ['Browser, crawler or cheater is not allowed.', 'client'],
    ['Abnormal access blocked.', 'client'],
    ['Invalid user agent.', 'client'],
    ['Invalid user-agent !', 'client'],
    ['The user agent of this client is too long.', 'client'],
    ['Invalid passkey.', 'passkey'],
    ['Passkey does not exist. Please re-download the .torrent file.', 'passkey'],
    ['User does not exist. Please re-download the .torrent file.', 'passkey'],
    ['Passkey is invalid', 'passkey'],
    ['Your account is not enabled. (Current: validating).', 'account'],
    ['Your account is disabled. Please login.', 'account'],
    ['Your account is not activated', 'account'],
    ['Your account is still validating', 'account'],
    ['You are no longer welcome here', 'account'],
    ['Your downloading privileges have been disabled.', 'account'],
    ['You download privileges are Revoked', 'account'],
    ['Group not found.', 'account'],
    ['You do not have permission to access a pending torrent.', 'account'],
    ["We believe you're trying to cheat. And your account is disabled.", 'account'],
    ['InfoHash not found.', 'torrent'],
    ['Torrent not found.', 'torrent'],
    ['Torrent not registered with this tracker.', 'torrent'],
    ['Torrent has been deleted.', 'torrent'],
    ['Torrent is pending moderation.', 'torrent'],
    ['Torrent is still pending moderation', 'torrent'],
    ['Torrent has been rejected.', 'torrent'],
    ['Torrent has been postponed.', 'torrent'],
    ['Torrent not approved.', 'torrent'],
    ['You already have 3 peers on this torrent. Ignoring.', 'places'],
    ['You have reached a rate limit. You can only seed/leech a single torrent from upto 3 locations.', 'places'],
    ['You cannot seed the same torrent from more than 3 locations.', 'places'],
    ['You are already downloading the same torrent. You can only leech from 1 location at a time!', 'places'],
    ['Your slot limit is reached! You may at most download 3 torrents at the same time', 'places'],
    ['Illegal port: 22. Port should be between 6881-64999.', 'address'],
    ["Stopped peer doesn't exist.", null],
    ['Internal tracker error.', null],
    ['This Tracker is not open now.', null],
  ],
  NexusPHP: [
    ['Browser access blocked!', 'client'],
    ['Anti-Cheater: You cannot use this agent', 'client'],
    ['Require passkey or authkey', 'passkey'],
    ['authkey format error', 'passkey'],
    ['Invalid passkey! Re-download the .torrent from https://t.example', 'passkey'],
    ['torrent not registered with this tracker', 'torrent'],
    ['Torrent not exists', 'torrent'],
    ['torrent banned', 'torrent'],
    ['torrent review not approved', 'torrent'],
    ['You already are downloading the same torrent. You may only leech from one location at a time.', 'places'],
    ['You cannot seed the same torrent in the same location from more than 1 client.', 'places'],
    ['Your account is disabled!', 'account'],
    ['Your account is parked! (Read the FAQ)', 'account'],
    ['Your ratio is too low! You need to wait 5 hours to start, please read the FAQ for details', 'account'],
    ['Port 6881 is blacklisted.', 'address'],
  ],
  TBDev: [
    ['torrent not registered with this tracker CODE 1', 'torrent'],
    ['Sorry, this tracker no longer supports non-compact clients!', 'client'],
    ['Unknown passkey. Please redownload the torrent from https://t.example.', 'passkey'],
    ["Permission denied, you're not enabled", 'account'],
    ['Connection limit exceeded! You may only leech from one location at a time.', 'places'],
    ['Connection limit exceeded!', 'places'],
    ['Not authorized (48h) - READ THE FAQ!', 'account'],
    ['Please call back later', null],
  ],
  TorrentPier: [
    ['Please LOG IN and RE-DOWNLOAD this torrent (passkey not found)', 'passkey'],
    ['Please LOG IN and RE-DOWNLOAD this torrent (user not found)', 'passkey'],
    ['Your BitTorrent client has been banned!', 'client'],
    ['Invalid peer_id: x', 'client'],
    ['No User-Agent provided', 'client'],
    ['User-Agent must be less than 64 characters long', 'client'],
    ['Browser disallowed', 'client'],
    ['Torrent not registered, info_hash = x', 'torrent'],
    ['Torrent frozen and cannot be downloaded', 'torrent'],
    ['Only 5 torrent(s) allowed for seeding', 'places'],
    ["You can seed only from 1 IP's", 'places'],
    ['Invalid IP: 10.0.0.1', 'address'],
    ['Tracker is temporarily disabled', null],
  ],
  'Pu-239': [
    ['Invalid Torrent Pass', 'passkey'],
    ['Invalid torrent_pass. Please redownload the torrent from https://t.example', 'passkey'],
    ['Please redownload this torrent from the tracker', 'passkey'],
    ["Permission denied, you're account is disabled", 'account'],
    ['VIP Access Required, You must be a VIP In order to view details or download this torrent!', 'account'],
    ['This client is banned. Please use rTorrent, deluge, Transmission or any other modern torrent client.', 'client'],
    ['Torrent not found - contact site staff', 'torrent'],
    ['Your IP:PORT(10.0.0.1:1) does not appear to be open and/or properly forwarded.', 'address'],
  ],
  'XBT, opentracker, chihaya and others': [
    ['unregistered torrent pass', 'passkey'],
    ['unregistered torrent', 'torrent'],
    ['access denied', 'account'],
    ['Requested download is not authorized for use with this tracker.', 'torrent'],
    ['info_hash is not authorized for use with this tracker', 'torrent'],
    ['not registered', 'torrent'],
    ['unapproved client', 'client'],
    ['unapproved torrent', 'torrent'],
    ['disallowed info_hash', 'torrent'],
    ['Client not allowed', 'client'],
    ['Banned client, please use another one', 'client'],
    ['Unsupported user agent', 'client'],
    ['Your user-agent has been blacklisted', 'client'],
    ['The peer_id you use is not approved here', 'client'],
    ['Torrent has been deleted: trumped', 'torrent'],
    ['Unknown user', 'account'],
    ['You are banned', 'account'],
    ['Your IP is banned', 'address'],
    ['IP banned', 'address'],
    ['Database is down', null],
    ['invalid port', null],
    ['', null],
  ],
};

describe('failure reasons of', () => {
  test.each(Object.entries(SAID))('%s', (_, said) => {
    expect(said.map(([reason]) => [reason, refusalOf(reason)])).toEqual(said);
    expect(said.map(([reason]) => earlyOf(reason)).filter((early) => early !== null)).toEqual([]);
  });

  test('any content are judged in no time', () => {
    const began = performance.now();
    for (const part of ['un ', 'not a ', 'client ', 'torrent not ', 'info hash un', 'more than ', 'already event '])
      for (const judge of [refusalOf, earlyOf]) judge(part.repeat(100).slice(0, 300));
    expect(performance.now() - began).toBeLessThan(1_000);
  });
});

test.each([
  ['The same event came less than 30 seconds ago', 'same-event'],
  ['Duplicate event', 'same-event'],
  ['This event was already announced', 'same-event'],
  ['You last announced 12 s ago. Please respect the min interval.', 'too-soon'],
  ['There is a minimum announce time of 300 seconds', 'too-soon'],
  ['Request too frequent(h)', 'too-soon'],
  ['Rate limit exceeded. Please wait.', 'too-soon'],
  ['Too many announces, slow down', 'too-soon'],
  ['Tracker error 2', null],
])('%j is early as %j', (reason, early) => expect([refusalOf(reason), earlyOf(reason)]).toEqual([null, early]));

test('each kind is told in words, with the reason and what may help', () => {
  expect(refusalWords('places', 't.example', 'Connection limit exceeded!')).toBe(
    't.example lets this account have no more clients or torrents at once: it says "Connection limit exceeded!". ' +
      'Stop the torrent elsewhere; a client that ended without a word is forgotten there after a while.',
  );
});
