// Runs in a container like that of a crawler pod: says in a line of JSON whether Chromium's sandbox works there, and how
// the process that runs a page's scripts is shut in.
import { readFileSync } from 'node:fs';
import { launchChromium } from '#src/crawler/browser/chromium.ts';
import { sandboxTrouble } from '#src/crawler/browser/sandbox-check.ts';

const [executablePath = ''] = process.argv.slice(2);

async function inspect(): Promise<object> {
  const { browser, close } = await launchChromium(executablePath, 9, [], true);
  const page = await browser.newPage();
  await page.goto('data:text/html,<title>in the sandbox</title>');
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  const renderers = processInfo.filter(({ type }) => type === 'renderer');
  const namespaces = renderers.map(({ id }) => statusOf(id, 'NSpid').split(/\s+/).length);
  const filters = renderers.map(({ id }) => Number(statusOf(id, 'Seccomp_filters')));
  const title = await page.title();
  await close();
  return { title, pidNamespaces: Math.min(...namespaces), seccompFilters: Math.min(...filters) };
}

function statusOf(processId: number, key: string): string {
  const line = readFileSync(`/proc/${processId}/status`, 'utf8')
    .split('\n')
    .find((one) => one.startsWith(`${key}:`));
  return line?.slice(key.length + 1).trim() ?? '';
}

const trouble = await sandboxTrouble(executablePath);
console.log(JSON.stringify(trouble === undefined ? await inspect() : { trouble }));
