// The Go program of this folder: built once, and asked line by line.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { access, mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { cacheDirectory } from '../setup/paths.mjs';

/** One line; instants in seconds since the epoch. An empty expression asks for the zone's offset from UTC. */
export type Question = { readonly expression: string; readonly timeZone: string; readonly second: number };

export type Oracle = {
  /** What robfig/cron says to each question, in their order: seconds, "never" or "error: …". */
  ask(questions: readonly Question[]): Promise<string[]>;
  close(): Promise<void>;
};

/** Compiles the program when its source has changed (some seconds, needs Go), and starts it. */
export async function startOracle(): Promise<Oracle> {
  const child = spawn(await build(), { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    ask: async (questions) => {
      const written = new Promise<void>((resolve, reject) => {
        const lines = questions.map(({ expression, timeZone, second }) => `${expression}\t${timeZone}\t${second}\n`);
        child.stdin.write(lines.join(''), (error) => (error ? reject(error) : resolve()));
      });
      const found: string[] = [];
      while (found.length < questions.length) {
        const line = await answers.next();
        if (line.done) throw new Error('the oracle ended before it had answered');
        found.push(line.value);
      }
      await written;
      return found;
    },
    close: async () => {
      child.stdin.end();
      await ended;
    },
  };
}

async function build(): Promise<string> {
  const source = import.meta.dirname;
  const hash = createHash('sha256');
  for (const file of ['main.go', 'go.mod', 'go.sum']) hash.update(await readFile(join(source, file)));
  const directory = join(cacheDirectory, 'cron-oracle');
  const path = join(directory, `cron-oracle-${hash.digest('hex').slice(0, 12)}`);
  const isBuilt = await access(path).then(
    () => true,
    () => false,
  );
  if (isBuilt) return path;
  await mkdir(directory, { recursive: true });
  const unfinished = `${path}.${process.pid}`;
  await execa('go', ['build', '-trimpath', '-o', unfinished, '.'], { cwd: source, env: { CGO_ENABLED: '0' } });
  await rename(unfinished, path);
  return path;
}
