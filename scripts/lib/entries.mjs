// The package's entries: to add one, add a row here, and its "exports" and "files" in package.json. Modules outside of
// an entry's own folder go into one bundle that all entries share. The first entry holds every class and type that the
// others' declarations name.
export const entries = [
  { source: 'ts/index.ts', name: 'index' },
  { source: 'ts/level/index.ts', name: 'level', folder: 'ts/level' },
];
