import { decode } from '../../codec/decode.js';
import { StorageError, StorageTypeError } from '../../errors/storage-error.js';
import type { InnerRange } from '../../range/range.js';
import { selectKeys } from '../../range/selection.js';
import type { KeyOperation, LongCallOptions, VerifyReport } from '../../types.js';
import type { Step } from '../data/batch.js';
import { writeOptions } from '../data/write-options.js';
import type { WriteOptions } from '../data/write-options.js';
import { report } from '../report.js';
import type { EngineCalls } from './engine-calls.js';

type KeyStep = Exclude<Step, { type: 'deleteRange' }>;
type Conditions = Pick<WriteOptions, 'ifAbsent' | 'ifVersion'>;

/** Data methods that take several calls to a custom engine. The caller sees to it that no other call comes between. */
export class CompoundCalls {
  readonly #calls: EngineCalls;

  constructor(calls: EngineCalls) {
    this.#calls = calls;
  }

  async select(range: InnerRange, operation: string): Promise<string[]> {
    return selectKeys(await this.#calls.keys(operation), range);
  }

  async count(range: InnerRange): Promise<number> {
    return (await this.select(range, 'count')).length;
  }

  async clear(range: InnerRange): Promise<void> {
    for (const key of await this.select(range, 'clear')) await this.#calls.delete(key, 'clear');
  }

  async getMany(keys: readonly string[]): Promise<unknown[]> {
    const values: unknown[] = [];
    for (const key of keys) values.push(await this.#calls.get(key, 'getMany'));
    return values;
  }

  async deleteMany(keys: readonly string[]): Promise<number> {
    let count = 0;
    for (const key of keys) if (await this.#calls.delete(key, 'deleteMany')) count++;
    return count;
  }

  async delete(key: string, ifVersion: string | undefined): Promise<boolean> {
    await this.#checkConditions(key, { ifAbsent: false, ifVersion }, 'delete');
    return this.#calls.delete(key, 'delete');
  }

  async set(key: string, value: unknown, write: WriteOptions): Promise<void> {
    await this.#checkConditions(key, write, 'set');
    await this.#calls.set(key, value, write, 'set');
  }

  async increment(key: string, by: number, write: WriteOptions): Promise<number> {
    const found = await this.#calls.get(key, 'increment');
    if (typeof found !== 'number' && (found !== null || (await this.#calls.has(key, 'increment')))) {
      throw new StorageTypeError('Expected the key to hold a number', {
        engine: this.#calls.name,
        operation: 'increment',
        key,
      });
    }
    const sum = sumOf(found ?? 0, by);
    await this.#calls.set(key, sum, await this.#keeping(key, write), 'increment');
    return sum;
  }

  /** Carries out the steps of a batch. */
  async apply(given: readonly Step[], operation: string): Promise<void> {
    const steps = await this.#expanded(given, operation);
    if (this.#calls.atomicBatch)
      return this.#calls.batch(
        steps.map((step) => this.#toOperation(step, operation)),
        operation,
      );
    for (const step of steps)
      if (step.type === 'check' && step.version !== null) this.#calls.needVersions(operation, step.key);
    for (const step of steps) {
      if (step.type === 'check')
        await this.#checkConditions(
          step.key,
          { ifAbsent: step.version === null, ifVersion: step.version ?? undefined },
          operation,
        );
    }
    for (const step of steps) {
      if (step.type === 'set') await this.#calls.set(step.key, decode(step.value), step.write, operation);
      else if (step.type === 'delete') await this.#calls.delete(step.key, operation);
    }
  }

  async verify({ signal, onProgress }: LongCallOptions): Promise<VerifyReport> {
    const errors: VerifyReport['errors'] = [];
    const keys = await this.#calls.keys('verify');
    for (const [done, key] of keys.entries()) {
      if (signal?.aborted === true) break; // the caller has been told already
      await this.#calls.get(key, 'verify').catch((error: unknown) => {
        const { code, message } = error as StorageError;
        errors.push({ key, code, message });
      });
      report(onProgress, { phase: 'verify', done: done + 1, total: keys.length, bytes: null });
    }
    return { ok: errors.length === 0, checked: keys.length, errors };
  }

  /** Puts a delete of each key in the place of a delete of a range. */
  async #expanded(steps: readonly Step[], operation: string): Promise<KeyStep[]> {
    if (!steps.some(({ type }) => type === 'deleteRange')) return steps as KeyStep[];
    const keys = new Set(await this.#calls.keys(operation));
    const expanded: KeyStep[] = [];
    for (const step of steps) {
      const some =
        step.type === 'deleteRange'
          ? selectKeys([...keys], step.range).map((key): KeyStep => ({ type: 'delete', key }))
          : [step];
      for (const { type, key } of some) {
        if (type === 'set') keys.add(key);
        else if (type === 'delete') keys.delete(key);
      }
      expanded.push(...some);
    }
    return expanded;
  }

  async #checkConditions(key: string, { ifAbsent, ifVersion }: Conditions, operation: string): Promise<void> {
    const holds = ifAbsent
      ? !(await this.#calls.has(key, operation))
      : ifVersion === undefined || (await this.#calls.getEntry(key, operation))?.version === ifVersion;
    if (!holds)
      throw new StorageError('CONFLICT', 'The key was changed meanwhile by another call', {
        engine: this.#calls.name,
        key,
      });
  }

  /** Adds the expiry and metadata that a key has to an increment that gives none, if the engine can read them. */
  async #keeping(key: string, write: WriteOptions): Promise<WriteOptions> {
    const { ttl, metadata } = this.#calls.declared;
    if ((ttl !== true && metadata !== true) || this.#calls.engine.getEntry === undefined) return write;
    const found = await this.#calls.getEntry(key, 'increment');
    if (found === null) return write;
    const kept = writeOptions('increment', 'record', {
      metadata: found.metadata ?? undefined,
      expiresAt: found.expiresAt ?? undefined,
    });
    return { ...write, expiresAt: write.expiresAt ?? kept.expiresAt, metadata: write.metadata ?? kept.metadata };
  }

  #toOperation(step: KeyStep, operation: string): KeyOperation {
    if (step.type !== 'set') return step;
    return { type: 'set', key: step.key, value: decode(step.value), ...this.#calls.stored(step.write, operation) };
  }
}

/** The sum, as core/src/engine/increment.rs has it for the other engines. */
function sumOf(a: number, b: number): number {
  const sum = a + b;
  const size = Math.abs(sum);
  // A sum just beyond 2^53 is rounded to it.
  const isBeyond = size > 2 ** 53 || (size === 2 ** 53 && (sum - a !== b || sum - b !== a));
  if (!isBeyond || !Number.isInteger(a) || !Number.isInteger(b)) return sum;
  throw new StorageTypeError(
    'The sum is a whole number beyond 2^53, which a JavaScript number does not hold exactly; keep the count as a bigint ' +
      'and write it with compareAndSet',
  );
}
