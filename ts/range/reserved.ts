import { MODEL_FOLDERS } from './model-folders.js';

/** Excludes the keys of the models from a range. */
export const OUTSIDE_MODELS: { readonly except: readonly string[] } = { except: MODEL_FOLDERS };

/** Whether a key belongs to a model. */
export function isReserved(key: string): boolean {
  // Few keys start with one of these letters, so most calls end after one comparison.
  const first = key.charCodeAt(0);
  if (first !== 100 && first !== 103 && first !== 111) return false;
  return MODEL_FOLDERS.some((folder) => key.startsWith(folder));
}
