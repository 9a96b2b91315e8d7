import { now } from '../../clock.js';
import { checkOptions } from '../../arguments/options.js';
import { ABORT_SHAPE } from '../../arguments/shapes.js';
import { decodedCopy } from '../../codec/copy.js';
import { describeKind } from '../../codec/kinds.js';
import type { ValueRules } from '../../codec/rules.js';
import { StorageTypeError } from '../../errors/storage-error.js';
import type {
  AbortOptions,
  BatchOperation,
  DeleteOptions,
  RecordOptions,
  SetManyOptions,
  SetOptions,
} from '../../types.js';
import { batchSteps, eachEntry, encodeAt } from '../data/batch.js';
import type { Step } from '../data/batch.js';
import { checkExpected, deleteOptions, writeOptions } from '../data/write-options.js';
import type { WriteOptions } from '../data/write-options.js';
import type { EngineHooks } from '../hooks.js';
import type { EngineCalls } from './engine-calls.js';
import { checkUserSteps, checkUserWrite } from './own-keys.js';

/** Checks the arguments of writes to a custom engine, and copies the values in them. */
export class WriteArguments {
  readonly #calls: EngineCalls;
  readonly #owner: { readonly hooks: EngineHooks };

  constructor(calls: EngineCalls, owner: { readonly hooks: EngineHooks }) {
    this.#calls = calls;
    this.#owner = owner;
  }

  set(key: unknown, value: unknown, options: SetOptions | undefined): [copy: unknown, write: WriteOptions] {
    checkUserWrite(key, 'set');
    return [this.#copy(key, value), this.#writeOptions('set', 'set', options)];
  }

  /** The version that the key must have, if one is given. */
  delete(key: unknown, options: DeleteOptions | undefined): string | undefined {
    checkUserWrite(key, 'delete');
    const { ifVersion } = deleteOptions(options);
    if (ifVersion !== undefined) this.#calls.needVersions('delete', key);
    return ifVersion;
  }

  setMany(entries: unknown, options: SetManyOptions | undefined): Step[] {
    const write = this.#writeOptions('setMany', 'setMany', options);
    const checks: Step[] = [];
    const sets: Step[] = [];
    eachEntry(entries, this.#rules, (key, value) => {
      if (write.ifAbsent) checks.push({ type: 'check', key, version: null });
      sets.push({ type: 'set', key, value, write });
    });
    checkUserSteps(sets, 'setMany');
    return [...checks, ...sets];
  }

  batch(operations: Iterable<BatchOperation>, options: AbortOptions | undefined): Step[] {
    checkOptions('batch', options, ABORT_SHAPE);
    const steps = batchSteps(operations, { rules: this.#rules, now });
    checkUserSteps(steps, 'batch');
    for (const step of steps) if (step.type === 'set') this.#calls.stored(step.write, 'batch');
    return steps;
  }

  compareAndSet(
    key: unknown,
    expected: unknown,
    value: unknown,
    options: RecordOptions | undefined,
  ): [copy: unknown, write: WriteOptions] {
    checkUserWrite(key, 'compareAndSet');
    checkExpected(expected, 'compareAndSet');
    this.#calls.needVersions('compareAndSet', key);
    return [this.#copy(key, value), this.#writeOptions('compareAndSet', 'record', options)];
  }

  increment(key: string, by: unknown, options: RecordOptions | undefined): WriteOptions {
    checkUserWrite(key, 'increment');
    if (typeof by !== 'number')
      throw new StorageTypeError(`Expected what increment adds to be a number, got ${describeKind(by)}`, { key });
    return this.#writeOptions('increment', 'record', options);
  }

  get #rules(): ValueRules {
    return this.#owner.hooks.rules;
  }

  #copy(key: string, value: unknown): unknown {
    return decodedCopy(encodeAt(key, value, this.#rules));
  }

  #writeOptions(operation: string, kind: 'set' | 'setMany' | 'record', options: SetOptions | undefined): WriteOptions {
    const write = writeOptions(operation, kind, options, this.#rules);
    this.#calls.stored(write, operation);
    if (write.ifVersion !== undefined) this.#calls.needVersions(operation);
    return write;
  }
}
