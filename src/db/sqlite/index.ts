export { isUniqueViolation } from './errors.ts';
export { openSqlite } from './open.ts';
