// The browser of this machine: where the crawler image has it, or where Playwright and macOS put it.
import { existsSync } from 'node:fs';
import { findChromium } from '../crawler/browser/chromium.ts';
import type { CrawlRunSpec } from '../resources/crawl-run.ts';
import { MachineError } from './machine-error.ts';

const OTHER_PATHS = [
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

/** Undefined when the spec needs none. Rejects with a MachineError that says how to get one. */
export async function chromiumFor(
  { fetch }: CrawlRunSpec,
  environment: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  if (fetch.render === 'HTTP') return undefined;
  const given = environment['TRAWLER_CHROMIUM'];
  if (given !== undefined && given !== '') {
    if (existsSync(given)) return given;
    throw new MachineError(`TRAWLER_CHROMIUM names ${given}, and there is no such file`);
  }
  const { chromium } = await import('playwright');
  const found = findChromium() ?? [...OTHER_PATHS, chromium.executablePath()].find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new MachineError(
    `fetch.render is ${fetch.render}, and no Chromium was found: run npx playwright install chromium, or set TRAWLER_CHROMIUM to the path of a Chromium or Chrome`,
  );
}
