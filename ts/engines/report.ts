import { callListener } from '../errors/uncaught.js';
import type { EngineCounters, EngineStats, Progress, VerifyReport } from '../types.js';

/** The counters of an engine that does not count. */
export const UNCOUNTED: Readonly<EngineCounters> = {
  commits: null,
  conflicts: null,
  groups: null,
  fsyncs: null,
  cacheHits: null,
  cacheMisses: null,
  recoveries: null,
  evictions: null,
  retries: null,
};

/** The figures that the addon gave as text, with null for those that it left out, and with `retries` of the facade. */
export function toStats(text: string, retries: number): EngineStats {
  const figures = JSON.parse(text) as Partial<EngineStats>;
  const {
    keys = null,
    memoryBytes = null,
    diskBytes = null,
    commit = null,
    logFloor = null,
    counters,
    details = {},
  } = figures;
  return { keys, memoryBytes, diskBytes, commit, logFloor, counters: { ...UNCOUNTED, ...counters, retries }, details };
}

export function toReport(text: string): VerifyReport {
  const { checked, errors } = JSON.parse(text) as Omit<VerifyReport, 'ok'>;
  return { ok: errors.length === 0, checked, errors };
}

/** Makes a listener to the addon's progress of one for users. */
export function progressListener(
  phase: string,
  onProgress: ((progress: Progress) => void) | undefined,
): ((text: string) => void) | undefined {
  if (onProgress === undefined) return undefined;
  return (text) => {
    const { done, total = null, bytes = null } = JSON.parse(text) as Partial<Progress> & { done: number };
    report(onProgress, { phase, done, total, bytes });
  };
}

/** Reports progress. A listener that throws does not stop the call. */
export function report(onProgress: ((progress: Progress) => void) | undefined, progress: Progress): void {
  if (onProgress !== undefined) callListener(onProgress, progress);
}
