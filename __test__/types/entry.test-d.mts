// The types of the ES module entry must be those of the CommonJS entry.
import { createRequire } from 'node:module';
import { expectTypeOf } from 'expect-type';
import { StorageManager } from 'holdfast';

expectTypeOf(new StorageManager().getEngine('memory').has('a')).resolves.toEqualTypeOf<boolean>();
type Required = typeof import('holdfast', { with: { 'resolution-mode': 'require' } });
const required = createRequire(import.meta.url)('holdfast') as Required;
expectTypeOf(new required.StorageManager()).toEqualTypeOf(new StorageManager());
