import type { ImportView } from '../http/ports.ts';
import type { Context } from './context.ts';
import { clean, table } from './print.ts';
import { importFields } from './views.ts';

/** `bae imports`: all of them, newest first. */
export async function runImports(context: Context): Promise<void> {
  const imports = await context.client.get<ImportView[]>('/imports');
  const rows = imports.map((one) => [
    one.id,
    `${(one.progress * 100).toFixed(1)} %`,
    one.state,
    one.identification,
    clean(one.name ?? one.infoHash),
    clean(one.error ?? ''),
  ]);
  const words =
    rows.length === 0
      ? 'There are no imports yet: bae import album.torrent'
      : table([['ID', 'DONE', 'STATE', 'IDENTITY', 'NAME', 'NOTE'], ...rows]);
  context.print(imports.map(importFields), words);
}

/** `bae cancel` and `bae retry`. */
export async function runImportAction(context: Context, id: string, action: 'cancel' | 'retry'): Promise<void> {
  const answer = await context.client.post<ImportView>(`/imports/${encodeURIComponent(id)}/${action}`);
  context.print(importFields(answer), `${answer.id}: ${answer.state}`);
}
