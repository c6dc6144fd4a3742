// Runs in a container like that of a crawler pod: says in a line of JSON whether Chromium's sandbox works there, and how
// the process that runs a page's scripts is shut in.
import { readFileSync } from 'node:fs';
import { launchChromium } from '#src/crawler/browser/chromium.ts';
import { sandboxTrouble } from '#src/crawler/browser/sandbox-check.ts';
import { browserGroups, rendererProcesses } from './process-tree.ts';

const [executablePath = ''] = process.argv.slice(2);

async function inspect(): Promise<object> {
  const options = { executablePath, userAgent: 'Tester/1.0', proxyPort: 9, blocked: [], sandbox: true };
  const { openTab, close } = await launchChromium(options);
  const { session } = await openTab();
  await session.send('Page.navigate', { url: 'data:text/html,<title>in the sandbox</title>' });
  const expression = `new Promise((resolve) => {
    if (document.readyState === 'complete') resolve(document.title);
    else addEventListener('load', () => resolve(document.title));
  })`;
  const { result } = await session.send('Runtime.evaluate', { expression, awaitPromise: true });
  // By now its process has the name of what it does.
  const renderers = browserGroups(process.pid).flatMap(rendererProcesses);
  const namespaces = renderers.map((id) => statusOf(id, 'NSpid').split(/\s+/).length);
  const filters = renderers.map((id) => Number(statusOf(id, 'Seccomp_filters')));
  await close();
  return { title: result.value, pidNamespaces: Math.min(...namespaces), seccompFilters: Math.min(...filters) };
}

function statusOf(processId: number, key: string): string {
  const line = readFileSync(`/proc/${processId}/status`, 'utf8')
    .split('\n')
    .find((one) => one.startsWith(`${key}:`));
  return line?.slice(key.length + 1).trim() ?? '';
}

const trouble = await sandboxTrouble(executablePath);
console.log(JSON.stringify(trouble === undefined ? await inspect() : { trouble }));
