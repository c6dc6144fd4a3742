// The limit: undici and a parser in a loop that follows links; nothing is stored or retried.
import { load } from 'cheerio/slim';
import { Agent } from 'undici';
import { finish, keep, readParsed, task } from './contest.mjs';

const agent = new Agent({ connections: task.concurrency });
const queue = [task.start];
const seen = new Set(queue);
let open = 0;
const { promise: finished, resolve } = Promise.withResolvers();

async function visit(/** @type {string} */ url) {
  const { origin, pathname } = new URL(url);
  const { body } = await agent.request({ origin, path: pathname, method: 'GET' });
  const read = readParsed(load(await body.text()), url);
  keep(url, read);
  for (const link of read.links) {
    if (seen.has(link)) continue;
    seen.add(link);
    queue.push(link);
  }
  open--;
  go();
}

function go() {
  for (const url of queue.splice(0, task.concurrency - open)) {
    open++;
    void visit(url);
  }
  if (open === 0) resolve(undefined);
}

go();
await finished;
await finish();
await agent.close();
