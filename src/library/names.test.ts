import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isAudioName, parseRecordName, parseTrackName } from './names.ts';

test.each([
  ['Artist - Album (1999) [FLAC]', 'Artist', 'Album', 1999],
  ['Artist - Album (1999)', 'Artist', 'Album', 1999],
  ['Artist - 1999 - Album', 'Artist', 'Album', 1999],
  ['Artist - [1999] Album {24-96 WEB}', 'Artist', 'Album', 1999],
  ['(1999) Artist - Album', 'Artist', 'Album', 1999],
  ['1999 - Album', null, 'Album', 1999],
  ['Artist – Album – Part Two [2001 FLAC]', 'Artist', 'Album - Part Two', 2001],
  ['Artist - Album (Deluxe Edition) (2010) [320]', 'Artist', 'Album (Deluxe Edition)', 2010],
  ['Artist_Name-Album_Title-CD-FLAC-1999-GROUP', 'Artist Name', 'Album Title', 1999],
  ['Artist-Album', 'Artist', 'Album', null],
  ['Jay-Z - The Black Album (2003)', 'Jay-Z', 'The Black Album', 2003],
  ['Album', null, 'Album', null],
  ['1984', null, '1984', null],
  ['Van Halen - 1984 (1984)', 'Van Halen', '1984', 1984],
  ['[FLAC]', null, '[FLAC]', null],
  ['   ', null, 'Untitled', null],
])('%s', (name, artist, title, year) => {
  expect(parseRecordName(name)).toEqual({ artist, title, year });
});

test.each([
  [['01 - Title.flac'], null, 1, 'Title'],
  [['CD2', '03. Title.flac'], 2, 3, 'Title'],
  [['Disc 1 - Live', '12 Title.mp3'], 1, 12, 'Title'],
  [['2-03 Title.flac'], 2, 3, 'Title'],
  [['01_some_title.ogg'], null, 1, 'some title'],
  [['99 Luftballons.flac'], null, 99, 'Luftballons'],
  [['Title.flac'], null, null, 'Title'],
  [['1979.flac'], null, null, '1979'],
  [['01.flac'], null, null, '01'],
  [[], null, null, 'Untitled'],
])('%j', (path, disc, track, title) => {
  expect(parseTrackName(path)).toEqual({ disc, track, title });
});

test('sound is told by the name', () => {
  expect(['a.FLAC', 'b.mp3', 'c.jpg', 'flac', 'd.flac.torrent'].map(isAudioName)).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
});

test('any name gives a title, quickly', () => {
  const label = fc.string({ unit: 'grapheme', maxLength: 2000 });
  fc.assert(
    fc.property(fc.oneof(label, fc.stringMatching(/^[-_ ()[\]{}0-9a-z]{0,600}$/)), (name) => {
      expect(parseRecordName(name).title.length).toBeGreaterThan(0);
      expect(parseTrackName([name, name]).title.length).toBeGreaterThan(0);
    }),
  );
});
