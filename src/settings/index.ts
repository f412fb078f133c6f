export { openSettings, type Settings } from './settings.ts';
