// Crawlee's CheerioCrawler, tuned as its documentation tells: fixed concurrency, no sessions, nothing on disk.
import { CheerioCrawler, Configuration } from '@crawlee/cheerio';
import { finish, keep, readParsed, task } from './contest.mjs';

const { concurrency } = task;

const crawler = new CheerioCrawler(
  {
    minConcurrency: concurrency,
    maxConcurrency: concurrency,
    autoscaledPoolOptions: { desiredConcurrency: concurrency, maybeRunIntervalSecs: 0.05, loggingIntervalSecs: null },
    useSessionPool: false,
    persistCookiesPerSession: false,
    statisticsOptions: { logIntervalSecs: 3_600 },
    preNavigationHooks: [
      (_, got) => {
        got.useHeaderGenerator = false;
        got.http2 = false;
      },
    ],
    async requestHandler({ $, request, enqueueLinks, pushData }) {
      const read = readParsed($, request.loadedUrl);
      keep(request.loadedUrl, read);
      await pushData(read);
      await enqueueLinks({ urls: read.links });
    },
  },
  new Configuration({ persistStorage: false, availableMemoryRatio: 0.9 }),
);
await crawler.run([task.start]);
await finish();
process.exit(0);
