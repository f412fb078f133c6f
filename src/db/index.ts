export { type Compilable, type Database, type DatabaseDeps, type DialectName, openDatabase } from './database.ts';
export * from './schema.ts';
export { isUniqueViolation } from './sqlite/index.ts';
export { template } from './template.ts';
