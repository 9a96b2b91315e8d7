// The CommonJS entry's types.
import { expectTypeOf } from 'expect-type';
import { StorageManager } from 'holdfast';

const storage = new StorageManager({ memory: {} });
expectTypeOf(storage.close()).resolves.toEqualTypeOf<void>();
expectTypeOf(storage.getEngine('memory').get<number>('a')).resolves.toEqualTypeOf<number | null>();
expectTypeOf(storage.getEngine('memory').keys('a/*')).resolves.toEqualTypeOf<string[]>();
// @ts-expect-error a key is a string
void storage.getEngine('memory').has(1);
// @ts-expect-error basePath is required
new StorageManager({ file: {} });
