// Clients in a process of their own, so that what they cost is not the server's: started with what they do, ended with what they saw.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

export type LoadProcess<Report> = {
  /** Resolves when all clients are at it; rejects when the process has ended before. */
  readonly ready: Promise<void>;
  /** What they have seen so far does not count: they have warmed up. */
  measure(): void;
  /** What they saw; the process ends. */
  end(): Promise<Report>;
};

/** @param file its main module, which answers to `load` below */
export function startLoad<Work, Report>(file: URL, work: Work): LoadProcess<Report> {
  const child = fork(file, { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  child.send({ work });
  return {
    ready: messageOf(child, 'ready').then(() => undefined),
    measure: () => void child.send('measure'),
    async end() {
      const report = messageOf(child, 'report');
      child.send('end');
      const { value } = await report;
      child.disconnect();
      await once(child, 'exit');
      return value as Report;
    },
  };
}

type Message = { readonly type: string; readonly value: unknown };

async function messageOf(child: ChildProcess, type: string): Promise<Message> {
  return new Promise((resolve, reject) => {
    child.on('message', (message: Message) => {
      if (message.type === type) resolve(message);
    });
    child.once('exit', (code) => reject(new Error(`the clients have ended with ${code}`)));
  });
}

export type Load<Report> = {
  /** Until the signal is aborted. */
  readonly run: (signal: AbortSignal, onReady: () => void) => Promise<void>;
  readonly report: () => Report;
  readonly forget: () => void;
};

/** In the process of the clients: does the work until it is asked for the report. */
export function load<Work, Report>(begin: (work: Work) => Load<Report>): void {
  process.once('message', ({ work }: { work: Work }) => {
    const ending = new AbortController();
    const { run, report, forget } = begin(work);
    const done = run(ending.signal, () => process.send?.({ type: 'ready', value: undefined }));
    process.on('message', async (word) => {
      if (word === 'measure') {
        forget();
        return;
      }
      ending.abort();
      await done;
      process.send?.({ type: 'report', value: report() });
    });
    done.catch((error: unknown) => {
      console.error(error);
      process.exit(1);
    });
  });
}
