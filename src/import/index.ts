export { ImportManager } from './manager.ts';
export type { ImportOptions, ImportRequest, ImportSnapshot } from './ports.ts';
