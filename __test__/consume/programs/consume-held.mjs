// Consumes one event. Nothing else keeps the process alive.
import { StorageManager } from '../../helpers/entry.mjs';
import { say } from '../../helpers/child.mjs';

const storage = new StorageManager({ defaultEngine: 'memory' });
const consumer = storage.consume('c', '*', ([{ key }]) => {
  say(key);
  void consumer.stop();
});
setTimeout(() => void storage.getEngine().set('a', 1), 100).unref();
