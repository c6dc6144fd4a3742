// Crawlee's PlaywrightCrawler, as it comes or tuned by its documentation (BENCH_TUNED=1).
import { Configuration, PlaywrightCrawler, purgeDefaultStorages } from '@crawlee/playwright';
import { chromium } from 'playwright';
import { finish, keep, readInPage, task } from './contest.mjs';

const { concurrency } = task;

const asItComes = new PlaywrightCrawler({
  launchContext: { launcher: chromium, launchOptions: { executablePath: task.chromium, args: ['--no-sandbox'] } },
  minConcurrency: concurrency,
  maxConcurrency: concurrency,
  async requestHandler({ page, request, enqueueLinks, pushData }) {
    const read = await page.evaluate(readInPage);
    keep(request.loadedUrl, read);
    await pushData(read);
    await enqueueLinks();
  },
});

const tuned = () =>
  new PlaywrightCrawler(
    {
      launchContext: {
        launcher: chromium,
        launchOptions: { executablePath: task.chromium, args: task.switches, chromiumSandbox: false },
      },
      browserPoolOptions: { useFingerprints: false, retireBrowserAfterPageCount: 10_000, maxOpenPagesPerBrowser: 100 },
      minConcurrency: concurrency,
      maxConcurrency: concurrency,
      autoscaledPoolOptions: { desiredConcurrency: concurrency, maybeRunIntervalSecs: 0.05, loggingIntervalSecs: null },
      useSessionPool: false,
      persistCookiesPerSession: false,
      maxRequestRetries: 3,
      statisticsOptions: { logIntervalSecs: 3_600 },
      preNavigationHooks: [
        // Images are off by a switch of Chromium's already, which costs less than blockRequests on each new page.
        (_, goto) => {
          goto.waitUntil = 'domcontentloaded';
        },
      ],
      async requestHandler({ page, request, enqueueLinks, pushData }) {
        const read = await page.evaluate(readInPage);
        keep(request.loadedUrl, read);
        await pushData(read);
        // The links are here already: the page need not be asked again.
        await enqueueLinks({ urls: read.links });
      },
    },
    new Configuration({ persistStorage: false, availableMemoryRatio: 0.9 }),
  );

const isTuned = process.env['BENCH_TUNED'] === '1';
if (!isTuned) await purgeDefaultStorages();
await (isTuned ? tuned() : asItComes).run([task.start]);
await finish();
process.exit(0);
