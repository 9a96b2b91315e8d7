// The folders whose keys belong to the models. Raw reads see these keys; raw writes are refused.
const RESERVED = ['docs/', 'graphs/', 'objects/'] as const;

/** Excludes the keys of the models from a range. */
export const OUTSIDE_MODELS: { readonly except: readonly string[] } = { except: RESERVED };

/** Whether a key belongs to a model. */
export function isReserved(key: string): boolean {
  // Few keys start with one of these letters, so most calls end after one comparison.
  const first = key.charCodeAt(0);
  if (first !== 100 && first !== 103 && first !== 111) return false;
  return RESERVED.some((folder) => key.startsWith(folder));
}
