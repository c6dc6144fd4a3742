// The limit: pages that are opened once and go from URL to URL of a list; nothing is found, stored or retried.
import { chromium } from 'playwright-core';
import { finish, keep, readInPage, task } from './contest.mjs';

const browser = await chromium.launch({ executablePath: task.chromium, args: task.switches, chromiumSandbox: false });
let next = 0;

async function visitAll() {
  const context = await browser.newContext();
  const page = await context.newPage();
  while (next < task.pages) {
    const url = new URL(`/p/${next++}`, task.start).href;
    await page.goto(url, { waitUntil: 'load' });
    keep(url, await page.evaluate(readInPage));
  }
}

await Promise.all(Array.from({ length: task.concurrency }, visitAll));
await finish();
await browser.close();
