export { ImportManager } from './manager.ts';
export type { ImportOptions, ImportRequest, ImportSnapshot, Librarian } from './ports.ts';
