// The programs in programs/ folders get their arguments from here, and tell the test what happened.
import { StorageManager } from './entry.mjs';

/** The arguments that the test gave. */
export const args = JSON.parse(process.argv[2]);

/** Tells the test something, which it gets as a value. */
export const say = (what) => console.log(JSON.stringify(what));

/** 'ok', or the code that the promise rejects with. */
export async function codeOf(promise) {
  try {
    await promise;
    return 'ok';
  } catch (error) {
    return error.code ?? error.stack;
  }
}

/** An engine of a manager that does not try failed calls again. */
export function open(name, options) {
  return new StorageManager({ defaultEngine: name, [name]: options, retry: { attempts: 1 } }).getEngine();
}
