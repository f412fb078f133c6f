import { readFileSync, statSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import type { ImportView } from '../http/ports.ts';
import { BaeError } from '../lib/errors.ts';
import type { Context } from './context.ts';
import { bar, clean } from './print.ts';
import { importFields } from './views.ts';

/** A .torrent file larger than this is refused before it is read (10 MiB). */
const TORRENT_FILE_BYTES = 10 * 1024 * 1024;
const LOOK_AGAIN_MILLISECONDS = 300;
const BAR_CHARACTERS = 30;

export interface ImportFlags {
  readonly peer?: readonly string[];
  readonly wait?: boolean;
  readonly asIs?: boolean;
}

/** `bae import`: hands a .torrent file or magnet link to the server; with --wait stays until it is done or failed. */
export async function runImport(context: Context, source: string, flags: ImportFlags): Promise<void> {
  const body = { ...readSource(source), peers: (flags.peer ?? []).map(parsePeer), asIs: flags.asIs === true };
  const started = await context.client.post<ImportView>('/imports', body);
  if (flags.wait !== true) {
    context.print(importFields(started), `${started.id}: ${nameOf(started)} (${started.state})`);
    return;
  }
  const ended = await waitFor(context, started);
  if (ended.state !== 'done') throw new BaeError('failed', ended.error ?? `The import was ${ended.state}.`);
  context.print(importFields(ended), `${ended.id}: ${nameOf(ended)} is in the library.`);
}

async function waitFor(context: Context, started: ImportView): Promise<ImportView> {
  const drawing = process.stderr.isTTY && !context.json;
  let current = started;
  while (!['done', 'failed', 'cancelled'].includes(current.state)) {
    if (drawing) {
      process.stderr.write(`\r\x1b[K${bar(current.progress, BAR_CHARACTERS)} ${current.state} ${nameOf(current)}`);
    }
    await wait(LOOK_AGAIN_MILLISECONDS);
    current = await context.client.get<ImportView>(`/imports/${started.id}`);
  }
  if (drawing) process.stderr.write('\r\x1b[K');
  return current;
}

const nameOf = (answer: ImportView) => clean(answer.name ?? answer.infoHash);

function readSource(source: string): { torrent: string } | { magnet: string } {
  if (/^magnet:/i.test(source)) return { magnet: source };
  try {
    const stat = statSync(source);
    if (stat.isDirectory()) {
      throw new BaeError('refused', 'Importing a folder is not there yet: give a .torrent file or a magnet link.');
    }
    if (!stat.isFile()) throw new BaeError('bad-input', `${source} is no file: give a .torrent file.`);
    if (stat.size > TORRENT_FILE_BYTES) {
      throw new BaeError('bad-input', `${source} is over 10 MiB, which no torrent file is.`);
    }
    return { torrent: readFileSync(source).toString('base64') };
  } catch (error) {
    throw error instanceof BaeError ? error : unreadable(source, error as NodeJS.ErrnoException);
  }
}

function unreadable(source: string, cause: NodeJS.ErrnoException): BaeError {
  const words =
    cause.code === 'ENOENT'
      ? `There is no file ${source}: give a .torrent file or a magnet link.`
      : `${source} cannot be read (${cause.code}): check its permissions.`;
  return new BaeError('bad-input', words, { cause });
}

/** HOST:PORT or [v6]:PORT. */
export function parsePeer(text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/i.exec(text);
  const port = match === null ? 0 : Number(match[3]);
  if (match === null || port < 1 || port > 65_535) {
    throw new BaeError('bad-input', `${text} is not a peer: write HOST:PORT, or [::1]:PORT.`);
  }
  return { host: (match[1] ?? match[2]) as string, port };
}
