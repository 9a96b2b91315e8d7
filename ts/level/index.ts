export { HoldfastLevel } from './level.js';
export type { HoldfastLevelOptions } from './level.js';
