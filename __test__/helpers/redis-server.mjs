import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Starts a `redis-server` on a free port, in a folder of its own. `stop()` ends it, even while SIGSTOP holds it;
 * `closeClients()` closes all its connections.
 */
export async function startRedis({ password, port } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-redis-'));
  port ??= await freePort();
  const options = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--dir',
    folder,
    '--save',
    '',
    '--appendonly',
    'no',
    '--daemonize',
    'no',
  ];
  if (password !== undefined) options.push('--requirepass', password);
  const server = spawn('redis-server', options, { stdio: 'ignore' });
  const ended = new Promise((resolve) => {
    server.once('exit', resolve);
    server.once('error', resolve);
  });
  const stop = async () => {
    server.kill('SIGTERM'); // nothing happens if it has ended
    server.kill('SIGCONT');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  const killAtExit = () => server.kill('SIGKILL');
  process.once('exit', killAtExit);
  ended.then(() => process.off('exit', killAtExit));
  try {
    await untilItListens(port, ended);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    stop,
    pid: server.pid,
    closeClients: () => command(port, 'CLIENT KILL TYPE normal SKIPME no'),
  };
}

async function untilItListens(port, ended) {
  let gone = false;
  ended.then(() => (gone = true));
  for (let attempt = 0; attempt < 200; attempt++) {
    if (gone) throw new Error('redis-server did not start: is the package redis-server installed?');
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return;
    } catch {
      await sleep(25);
    } finally {
      socket.destroy();
    }
  }
  throw new Error(`redis-server does not listen on port ${port}`);
}

async function command(port, text) {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  const ended = once(socket, 'close');
  socket.write(`${text}\r\n`);
  socket.resume();
  await ended; // the server closes this connection, too
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
