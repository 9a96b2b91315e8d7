// Written from core/src/keyspace.rs by core/tests/facade.rs: change it there.

/** Folders whose keys belong to the models: raw reads see them, raw writes there are refused. */
export const MODEL_FOLDERS = ['docs/', 'graphs/', 'objects/'] as const;
