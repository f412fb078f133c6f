// Small tagged files, made in code.

const utf8 = (text: string) => Buffer.from(text);
const u32le = (value: number) => Buffer.from(Uint32Array.of(value).buffer);
const u32be = (value: number) => u32le(value).reverse();

export type Fields = Readonly<Record<string, string>>;

/** Of a Vorbis comment (Vorbis I specification, section 5). */
export function vorbisComment(fields: Fields): Buffer {
  const comments = Object.entries(fields).map(([name, value]) => utf8(`${name}=${value}`));
  const parts = [utf8('bae'), ...comments].map((text) => Buffer.concat([u32le(text.length), text]));
  return Buffer.concat([parts[0] as Buffer, u32le(comments.length), ...parts.slice(1)]);
}

function flacBlock(type: number, isLast: boolean, body: Buffer): Buffer {
  const head = u32be(body.length);
  head[0] = type | (isLast ? 0x80 : 0);
  return Buffer.concat([head, body]);
}

/** FLAC (RFC 9639) of 44,100 Hz stereo: headers, a picture of so many bytes before the comment, and `audio`. */
export function flac(
  fields: Fields,
  {
    seconds = 3,
    audio = Buffer.alloc(2_000),
    pictureBytes = 0,
  }: { seconds?: number; audio?: Buffer; pictureBytes?: number } = {},
): Buffer {
  const info = Buffer.alloc(34);
  info.writeBigUInt64BE((44_100n << 44n) | (1n << 41n) | (15n << 36n) | BigInt(seconds * 44_100), 10);
  const picture = pictureBytes === 0 ? [] : [flacBlock(6, false, Buffer.alloc(pictureBytes))];
  const comment = flacBlock(4, true, vorbisComment(fields));
  return Buffer.concat([utf8('fLaC'), flacBlock(0, false, info), ...picture, comment, audio]);
}

function syncsafe(value: number): Buffer {
  return Buffer.from([21, 14, 7, 0].map((shift) => (value >> shift) & 0x7f));
}

/** An ID3v2.4 tag of UTF-8 text frames, with a picture of so many bytes first. */
export function id3(frames: Fields, pictureBytes = 0): Buffer {
  const frame = (id: string, body: Buffer) => Buffer.concat([utf8(id), syncsafe(body.length), Buffer.alloc(2), body]);
  const texts = Object.entries(frames).map(([id, text]) => frame(id, Buffer.concat([Buffer.of(3), utf8(text)])));
  const picture = Buffer.concat([utf8('\0image/png\0\x03\0'), Buffer.alloc(pictureBytes)]);
  const body = Buffer.concat([...(pictureBytes === 0 ? [] : [frame('APIC', picture)]), ...texts]);
  return Buffer.concat([utf8('ID3'), Buffer.of(4, 0, 0), syncsafe(body.length), body]);
}

/** An MPEG-1 layer III stream of silence at 128 kbit/s and 44,100 Hz, its first frame a Xing header that counts frames. */
export function mp3(frames: Fields, { pictureBytes = 0, count = 115 } = {}): Buffer {
  const silence = Buffer.alloc(417);
  silence.set([0xff, 0xfb, 0x90, 0x00]);
  const xing = Buffer.from(silence);
  xing.set(Buffer.concat([utf8('Xing'), u32be(3), u32be(count), u32be(count * 417)]), 36);
  const audio = Array.from({ length: count }, () => silence);
  return Buffer.concat([id3(frames, pictureBytes), xing, ...audio]);
}

/** One page of an Ogg stream (RFC 3533 section 6) with one packet. */
function oggPage(sequence: number, flags: number, granule: bigint, packet: Buffer): Buffer {
  const head = Buffer.alloc(27);
  head.write('OggS');
  head[5] = flags;
  head.writeBigInt64LE(granule, 6);
  head.writeUInt32LE(7, 14);
  head.writeUInt32LE(sequence, 18);
  const whole = Math.floor(packet.length / 255);
  const lengths = Buffer.concat([Buffer.alloc(whole, 255), Buffer.of(packet.length % 255)]);
  head[26] = lengths.length;
  return Buffer.concat([head, lengths, packet]);
}

function ogg(headers: readonly Buffer[], pages: number, granules: bigint): Buffer {
  const first = headers.map((packet, index) => oggPage(index, index === 0 ? 2 : 0, 0n, packet));
  const rest = Array.from({ length: pages }, (_, index) => {
    const isLast = index === pages - 1;
    return oggPage(headers.length + index, isLast ? 4 : 0, isLast ? granules : -1n, Buffer.alloc(4_000));
  });
  return Buffer.concat([...first, ...rest]);
}

/** Ogg Vorbis of 44,100 Hz. */
export function vorbis(fields: Fields, { seconds = 3, pages = 40 } = {}): Buffer {
  const identification = Buffer.concat([utf8('\x01vorbis'), Buffer.alloc(23)]);
  identification[11] = 2;
  identification.writeUInt32LE(44_100, 12);
  const comment = Buffer.concat([utf8('\x03vorbis'), vorbisComment(fields), Buffer.of(1)]);
  return ogg([identification, comment, utf8('\x05vorbis')], pages, BigInt(seconds * 44_100));
}

/** Ogg Opus (RFC 7845) with a pre-skip of 312 samples. */
export function opus(fields: Fields, { seconds = 3, pages = 40 } = {}): Buffer {
  const head = Buffer.concat([utf8('OpusHead'), Buffer.of(1, 2, 56, 1), u32le(44_100), Buffer.alloc(3)]);
  const comment = Buffer.concat([utf8('OpusTags'), vorbisComment(fields)]);
  return ogg([head, comment], pages, BigInt(seconds * 48_000 + 312));
}

function atom(name: string, ...bodies: readonly Buffer[]): Buffer {
  const body = Buffer.concat(bodies);
  return Buffer.concat([u32be(8 + body.length), Buffer.from(name, 'latin1'), body]);
}

/** MPEG-4 audio as iTunes tags it, the index behind `audioBytes` of sound; a field that is bytes has the type 0 (ISO/IEC 14496-12). */
export function m4a(
  fields: Readonly<Record<string, string | Buffer>>,
  { seconds = 3, audioBytes = 300_000 } = {},
): Buffer {
  const items = Object.entries(fields).map(([name, value]) => {
    const type = typeof value === 'string' ? 1 : 0;
    return atom(name, atom('data', u32be(type), u32be(0), typeof value === 'string' ? utf8(value) : value));
  });
  const handler = (type: string) => atom('hdlr', Buffer.alloc(8), utf8(type), Buffer.alloc(13));
  const track = Buffer.alloc(84);
  track.writeUInt32BE(1, 12);
  const media = Buffer.alloc(24);
  media.writeUInt32BE(44_100, 12);
  media.writeUInt32BE(seconds * 44_100, 16);
  const sound = atom('mp4a', Buffer.alloc(7), Buffer.of(1), Buffer.alloc(8), u32be((2 << 16) | 16), Buffer.alloc(8));
  const table = atom('stbl', atom('stsd', u32be(0), u32be(1), sound));
  const trak = atom(
    'trak',
    atom('tkhd', track),
    atom('mdia', atom('mdhd', media), handler('soun'), atom('minf', table)),
  );
  const meta = atom('meta', Buffer.alloc(4), handler('mdir'), atom('ilst', ...items));
  const moov = atom('moov', atom('mvhd', Buffer.alloc(100)), trak, atom('udta', meta));
  return Buffer.concat([atom('ftyp', utf8('M4A \0\0\0\0')), atom('mdat', Buffer.alloc(audioBytes)), moov]);
}
