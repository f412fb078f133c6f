/** What a folder's or file's name tells of a record. */
export interface NamedRecord {
  readonly artist: string | null;
  /** Never empty. */
  readonly title: string;
  readonly year: number | null;
}

export interface NamedTrack {
  /** From 1; null where the name tells none. */
  readonly disc: number | null;
  readonly track: number | null;
  readonly title: string;
}

/** Longer names are cut before they are looked at: a label is for people, and patterns cost time. */
const MAX_NAME_CHARACTERS = 500;
const YEAR = /^(?:19|20)\d{2}$/;
/** Words that tell how a rip was made, not what it is of. */
const RIP_WORDS =
  /^(?:flac|alac|ape|wv|mp3|aac|ogg|opus|cd|cds|\d{0,2}cd|web|webrip|web-dl|vinyl|lp|sacd|dvd|cassette|lossless|log|cue|scans|eac|xld|v0|v2|320|256|192|(?:320|256|192)kbps|(?:16|24)(?:-?bits?)?|(?:16|24)-(?:44|48|88|96|176|192)(?:\.1|\.2|\.4)?|(?:44|48|88|96|176|192)(?:\.1|\.2|\.4)?(?:-?khz)?)$/i;

/**
 * Artist, title and year from a folder's or torrent's name in the usual manners: "Artist - Album (1999) [FLAC]", "Artist -
 * 1999 - Album", "(1999) Artist - Album", "Artist-Album-CD-FLAC-1999-GROUP". What is not understood stays in the title.
 */
export function parseRecordName(name: string): NamedRecord {
  const whole = tidy(name);
  let year: number | null = null;
  const bare = spaced(whole).replace(/[([{]([^()[\]{}]{0,100})[)\]}]/g, (group, inside: string) => {
    const words = inside.trim().split(/[\s,/+|;]+/);
    if (words.some((word) => YEAR.test(word)) && words.every((word) => YEAR.test(word) || RIP_WORDS.test(word))) {
      year ??= Number(words.find((word) => YEAR.test(word)));
      return ' ';
    }
    return words.every((word) => word === '' || RIP_WORDS.test(word)) ? ' ' : group;
  });
  const parts: string[] = [];
  for (const part of bare.split(/(?:^|\s+)[-–—](?:\s+|$)/)) {
    const text = tidy(part);
    if (YEAR.test(text) && year === null && bare.trim() !== text) year = Number(text);
    else if (text !== '') parts.push(text);
  }
  // What is left of "FLAC - 24bit" at the end says nothing of the record.
  while (parts.length > 1 && (parts.at(-1) as string).split(' ').every((word) => RIP_WORDS.test(word))) parts.pop();
  if (parts.length < 2) return { artist: null, title: parts[0] ?? (whole === '' ? 'Untitled' : whole), year };
  return { artist: parts[0] as string, title: parts.slice(1).join(' - '), year };
}

/** Scene names have no spaces: "Artist_Name-Album_Title-CD-FLAC-1999-GROUP". Gives them the form of other names. */
function spaced(name: string): string {
  if (name.includes(' ')) return name;
  const parts = name.replaceAll('_', ' ').split('-');
  const year = parts.findIndex((part, index) => index >= 2 && YEAR.test(part));
  if (year < 0)
    return parts.length === 2 && !/^\d+$/.test(parts[0] as string) ? parts.join(' - ') : name.replaceAll('_', ' ');
  const words = parts.slice(0, year).filter((part, index) => index < 2 || !RIP_WORDS.test(part));
  return `${words.join(' - ')} (${parts[year]})`;
}

const AUDIO = /\.(?:flac|mp3|m4a|mp4|aac|ogg|oga|opus|wav|aif|aiff|ape|wv|alac|dsf|dff|tta|mpc)$/i;
const DISC = /^(?:cd|dis[ck]|dvd|lp|vol(?:ume)?)[\s._-]*(\d{1,2})(?:\D|$)/i;

/** Whether a file's name is one of sound. */
export function isAudioName(name: string): boolean {
  return AUDIO.test(name);
}

/** A track from its file's labels, root first: "CD2/03 - Title.flac", "2-03 Title.flac", "A Title.mp3". */
export function parseTrackName(path: readonly string[]): NamedTrack {
  const file = tidy((path.at(-1) ?? '').replace(AUDIO, ''));
  const folder = path.slice(0, -1).findLast((label) => DISC.test(label)) ?? '';
  const found = DISC.exec(folder);
  const numbers = /^(?:(\d)[-.](?=\d))?(\d{1,3})(?:\s*[-–—._)]\s*|\s+)(?=\S)/.exec(file.replaceAll('_', ' '));
  const title = tidy(file.replaceAll('_', ' ').slice(numbers?.[0].length ?? 0));
  const disc = numbers?.[1] ?? found?.[1];
  return {
    disc: disc === undefined ? null : Math.max(1, Number(disc)),
    track: numbers?.[2] === undefined ? null : Math.max(1, Number(numbers[2])),
    title: title === '' ? 'Untitled' : title,
  };
}

function tidy(text: string): string {
  return text.slice(0, MAX_NAME_CHARACTERS).replace(/\s+/g, ' ').trim();
}
