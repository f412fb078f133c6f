import type { ICommonTagsResult } from 'music-metadata';
import { MAX_DURATION_MILLISECONDS, MAX_TEXT_LENGTH } from './limits.ts';
import type { Tags } from './ports.ts';

/** What bae keeps of a file's tags, without what cannot be meant. A parser's types are promises about hostile bytes. */
export function tagsOf(common: ICommonTagsResult, seconds: unknown): Tags {
  const parts: { readonly [Part in keyof Tags]-?: Tags[Part] | null } = {
    albumArtist: oneLine(common.albumartist),
    artist: oneLine(common.artist),
    album: oneLine(common.album),
    year: inRange(common.year, 1_000, 9_999),
    title: oneLine(common.title),
    disc: inRange(common.disk.no, 1, 9_999),
    track: inRange(common.track.no, 1, 9_999),
    durationMs: typeof seconds === 'number' ? inRange(Math.round(seconds * 1_000), 1, MAX_DURATION_MILLISECONDS) : null,
  };
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== null)) as Tags;
}

/** One line of text for people, cut at MAX_TEXT_LENGTH; null where nothing is left. */
export function oneLine(value: unknown): string | null {
  if (typeof value !== 'string') return null;
  const line = value
    .slice(0, MAX_TEXT_LENGTH)
    .toWellFormed()
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim();
  return line === '' ? null : line;
}

function inRange(value: unknown, least: number, most: number): number | null {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most ? (value as number) : null;
}
