// Makes sure that nothing of a local crawl is left, also when its process is killed: a shell that notices the end of the
// pipe to this process ends the processes that it was given, and removes the folder.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';

/** Reads process groups, one a line, until the pipe ends; without the line `done` it cleans up. */
const GUARD = `
trap '' INT TERM HUP
groups=
while read -r line; do
  if [ "$line" = done ]; then exit 0; fi
  groups="$groups $line"
done
for group in $groups; do kill -QUIT "-$group" 2>/dev/null; done
tries=0
until rm -rf -- "$1" 2>/dev/null || [ $tries -ge 100 ]; do sleep 0.1; tries=$((tries + 1)); done
`;

/** Beyond that, a server that was asked to end is killed. */
const END_WITHIN_MS = 5_000;

export type CleanUp = {
  /** The child, started with `detached`, leads a process group that is to end with this process. */
  readonly owns: (child: ChildProcess) => void;
  /** Ends all children that still run, removes the folder, and lets the guard go. */
  readonly end: () => Promise<void>;
};

export function startCleanUp(folder: string): CleanUp {
  // In a session of its own: Ctrl-C in a terminal reaches every process of the foreground.
  const guard = spawn('/bin/sh', ['-c', GUARD, 'trawler-guard', folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
  });
  // It ends by itself only when the machine does.
  guard.stdin.on('error', () => undefined);
  const children: ChildProcess[] = [];
  return {
    owns(child) {
      children.push(child);
      guard.stdin.write(`${child.pid}\n`);
    },
    async end() {
      // The last first: a server is needed until its clients are gone.
      for (const child of children.toReversed()) await endProcess(child);
      await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
      guard.stdin.end('done\n');
      if (guard.exitCode === null) await once(guard, 'exit');
    },
  };
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGINT');
  const timer = setTimeout(() => child.kill('SIGKILL'), END_WITHIN_MS);
  await exited;
  clearTimeout(timer);
}
