export { createHttp, type HttpOptions } from './app.ts';
export { type ApplicationParts, createApplication } from './application.ts';
export { type Listening, listenSocket, listenTcp } from './listen.ts';
export type * from './ports.ts';
