// The package's entries. The first holds everything the others share; to add one, add a row here, and its "exports" and
// "files" in package.json.
export const entries = [{ source: 'ts/index.ts', name: 'index' }];
