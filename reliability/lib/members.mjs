/**
 * Threads or processes that work together: each gets ready, all begin at once, each gives a result.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';

/**
 * Runs the program at `url` once for each of `configs`.
 *
 * @param kind - 'threads' or 'processes'
 * @returns the result of each, in the order of `configs`
 */
export async function together(kind, url, configs) {
  const members = configs.map((config) => (kind === 'threads' ? thread(url, config) : process_(url, config)));
  try {
    await Promise.all(members.map((member) => member.next()));
    for (const member of members) member.send('go');
    const results = await Promise.all(members.map((member) => member.next()));
    await Promise.all(members.map((member) => member.ended));
    return results;
  } catch (error) {
    for (const member of members) member.kill();
    await Promise.allSettled(members.map((member) => member.ended));
    throw error;
  }
}

function thread(url, config) {
  const worker = new Worker(url, { workerData: config });
  return {
    ...messages(worker, 'exit'),
    send: (message) => worker.postMessage(message),
    ended: once(worker, 'exit'),
    kill: () => worker.terminate(),
  };
}

function process_(url, config) {
  const child = fork(fileURLToPath(url), [JSON.stringify(config)], { serialization: 'advanced' });
  // A process may be seen to end before its last message arrives, its channel may not.
  return {
    ...messages(child, 'disconnect'),
    send: (message) => child.send(message),
    ended: once(child, 'exit'),
    kill: () => child.kill('SIGKILL'),
  };
}

/** `next()` is the next message. It rejects if the member fails or ends, by the event `end`, instead. */
function messages(source, end) {
  const arrived = [];
  const waiting = [];
  const deliver = (message) => (waiting.length > 0 ? waiting.shift()(message) : arrived.push(message));
  source.on('message', deliver);
  source.on('error', (error) => deliver({ failed: error.stack }));
  source.on(end, () => deliver({ failed: 'the member ended early' }));
  return {
    async next() {
      const message = arrived.length > 0 ? arrived.shift() : await new Promise((resolve) => waiting.push(resolve));
      if (message.failed !== undefined) throw new Error(message.failed);
      return message.value;
    },
  };
}

/** The member's side: `prepare(config)` makes it ready and gives `{ go, stop }`; what `go` gives is the result. */
export async function serve(prepare) {
  const config = isMainThread ? JSON.parse(process.argv[2]) : workerData;
  const port = isMainThread ? process : parentPort;
  const send = (message) =>
    isMainThread ? new Promise((resolve) => process.send(message, resolve)) : parentPort.postMessage(message);
  try {
    const { go, stop } = await prepare(config);
    const told = new Promise((resolve) => port.once('message', resolve));
    await send({ value: 'ready' });
    await told;
    const value = await go();
    await stop();
    await send({ value });
  } catch (error) {
    await send({ failed: `${error?.code ?? ''} ${error?.stack ?? error}` });
  } finally {
    if (isMainThread) process.disconnect();
  }
}
