// Moves three records along on two engines until it is killed, each time in one transaction over both.
import { StorageManager } from '../../helpers/entry.mjs';
import { args, say } from '../../helpers/child.mjs';

const { config, first, second, round } = args;
const storage = new StorageManager(config);
const keyOf = (lane, count) => round + lane + count;

for (let count = 0; ; count++) {
  await Promise.all(
    ['a', 'b', 'c'].map((lane) =>
      storage.transaction(async (tx) => {
        await tx.engine(first).set(keyOf(lane, count), count);
        await tx.engine(second).set(keyOf(lane, count), count);
        if (count > 0) await tx.engine(second).delete(keyOf(lane, count - 1));
        if (count > 0) await tx.engine(first).delete(keyOf(lane, count - 1));
      }),
    ),
  );
  say(count);
}
