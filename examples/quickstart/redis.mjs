import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const freePort = () =>
  new Promise((resolve, reject) => {
    const probe = createServer().on('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });

const answers = (port) =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (answer) => (socket.destroy(), resolve(answer));
    socket.on('connect', () => end(true)).on('error', () => end(false));
  });

/**
 * The Redis to use: REDIS_URL, or a redis-server from PATH on a free port of the loopback interface with its files in
 * `folder`, or null.
 * `stop` ends what was started.
 */
export async function openRedis(folder) {
  const { REDIS_URL: url } = process.env;
  if (url) return { url, folder: null, stop: async () => {} };
  const port = await freePort();
  mkdirSync(folder);
  // What it appends reaches the disk, so that its size can be told beside the others'.
  const settings = {
    port,
    bind: '127.0.0.1',
    dir: folder,
    save: '',
    appendonly: 'yes',
    'auto-aof-rewrite-percentage': 0,
  };
  const server = spawn(
    'redis-server',
    Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]),
    { stdio: 'ignore' },
  );
  const ended = new Promise((resolve) => server.once('error', resolve).once('exit', resolve));
  let running = true;
  ended.then(() => (running = false));
  const stop = async () => {
    server.kill();
    await ended;
  };
  for (let waited = 0; running && waited < 10_000; waited += 50) {
    if (await answers(port)) return { url: `redis://127.0.0.1:${port}`, folder, stop };
    await sleep(50);
  }
  if (running) await stop();
  return null;
}
