/**
 * A redis-server of our own: free port on loopback, nothing persisted, stopped afterwards.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const START_TIMEOUT = 10_000;

async function freePort() {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

async function answers(port) {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

export async function startRedis(folder) {
  const port = await freePort();
  const settings = ['--port', port, '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no'];
  const server = spawn('redis-server', settings.map(String), { stdio: 'ignore' });
  const failed = once(server, 'error').then(([error]) => {
    const hint = error.code === 'ENOENT' ? ': not on PATH. On Debian and Ubuntu: apt-get install redis-server' : '';
    throw new Error(`redis-server cannot be started${hint}`, { cause: error });
  });
  failed.catch(() => {});
  const stop = async () => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    server.kill();
    await once(server, 'exit');
  };
  const killWithUs = () => server.kill();
  process.once('exit', killWithUs);
  server.once('exit', () => process.off('exit', killWithUs));
  for (const deadline = Date.now() + START_TIMEOUT; ;) {
    if (await Promise.race([answers(port), failed])) return { port, stop };
    if (server.exitCode !== null) throw new Error(`redis-server ended with code ${server.exitCode}`);
    if (Date.now() > deadline) {
      await stop();
      throw new Error(`redis-server did not answer on port ${port} within ${START_TIMEOUT} ms`);
    }
    await delay(50);
  }
}
