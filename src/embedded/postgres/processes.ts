import { spawn, spawnSync, type ChildProcess, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { childEnvironment, type Account } from './account.js';

/**
 * Starts a program that must not outlive this process: a one-line shell waits at a pipe, which the kernel closes when
 * this process dies, even by SIGKILL, and then interrupts the program.
 */
export function spawnBound(
  program: string,
  args: string[],
  options: Account & { cwd: string; stdio: StdioOptions },
): ChildProcess {
  const shared = { ...options, env: childEnvironment, detached: true };
  const child = spawn(program, args, shared);
  if (child.pid === undefined) return child;
  const script = 'read -r _ || kill -INT "$1"';
  const watcher = spawn('/bin/sh', ['-c', script, 'sh', String(child.pid)], {
    ...shared,
    cwd: '/',
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watcher.on('error', () => undefined); // without the watcher, the next start stops the leftover server
  watcher.stdin?.on('error', () => undefined);
  // The line ends the watcher without an interrupt: the process number may soon be another program's.
  child.once('exit', () => watcher.stdin?.end('ended\n'));
  return child;
}

/** The exit code of a child, or its signal; -1 when it never ran. */
export async function ended(child: ChildProcess): Promise<number | string> {
  if (child.pid === undefined) return -1;
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.exitCode ?? child.signalCode ?? -1;
}

/**
 * Stops a PostgreSQL server. SIGINT disconnects the clients; SIGQUIT also omits the last checkpoint, so that the server
 * recovers at its next start; SIGKILL is the last resort.
 */
export async function stopServer(pid: number, isRunning: () => boolean): Promise<void> {
  for (const [signal, patience] of [
    ['SIGINT', 10_000],
    ['SIGQUIT', 5_000],
    ['SIGKILL', 5_000],
  ] as const) {
    if (!isRunning()) return;
    try {
      process.kill(pid, signal);
    } catch {
      return;
    }
    const deadline = Date.now() + patience;
    while (isRunning() && Date.now() < deadline) await sleep(20);
  }
}

/** The words of a running process's command line; empty when there is no such process, or when it is a zombie. */
export function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    if (process.platform === 'linux') return [];
    const { stdout } = spawnSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' });
    return (stdout ?? '').trim().split(' ');
  }
}
