// Generated from ts/ by `npm run build:ts`. Do not edit: change ts/ and build again.
export * from './level.js';
