// The ES module entry of holdfast/level takes engines of either entry.
import { expectTypeOf } from 'expect-type';
import { MemoryStorage } from 'holdfast';
import { HoldfastLevel } from 'holdfast/level';

expectTypeOf(new HoldfastLevel(new MemoryStorage()).get('a')).resolves.toEqualTypeOf<string | undefined>();
type Required = typeof import('holdfast/level', { with: { 'resolution-mode': 'require' } });
declare const required: Required;
expectTypeOf(new required.HoldfastLevel(new MemoryStorage())).toEqualTypeOf(new HoldfastLevel(new MemoryStorage()));
