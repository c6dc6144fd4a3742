// When workers hand their requests to the sockets. When they arrive is another thing on a busy machine: the process may be off
// its processor in between, which no sender can know.
// As a module that a worker loads (--import) it writes them down; the test reads them.
import { subscribe } from 'node:diagnostics_channel';
import { appendFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';

/** By the clock of the machine, in milliseconds. */
export type NotedSend = { readonly time: number; readonly path: string };

const FILE = 'TEST_NOTED_SENDS';

/** What a worker's environment has to hold so that it writes into this file. */
export function notingSends(file: string): Record<string, string> {
  return { [FILE]: file, NODE_OPTIONS: `--import=${import.meta.url}` };
}

/** In order of time, of all workers that wrote into the file. */
export async function notedSends(file: string): Promise<readonly NotedSend[]> {
  const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '');
  const sends = lines.map((line) => {
    const [nanoseconds, path = ''] = line.split(' ');
    return { time: Number(nanoseconds) / 1e6, path };
  });
  return sends.sort((a, b) => a.time - b.time);
}

const published = z.object({ request: z.object({ origin: z.coerce.string(), path: z.string() }) });

function noteSends(file: string): void {
  const gateway = new URL(process.env['TRAWLER_GATEWAY_URL'] ?? '').origin;
  subscribe('undici:client:sendHeaders', (message) => {
    const { origin, path } = published.parse(message).request;
    if (new URL(origin).origin === gateway) return;
    // Before the request is written: a worker that is killed between the two has noted one too many, and never one too few.
    appendFileSync(file, `${process.hrtime.bigint()} ${path}\n`);
  });
}

const file = process.env[FILE];
if (file !== undefined) noteSends(file);
