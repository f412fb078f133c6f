export { inlineTagParser } from './parse.ts';
export type { TagParser, TagSource, Tags } from './ports.ts';
export { type FoundTags, TagReader } from './reader.ts';
export { workerTagParser } from './worker.ts';
