// A worker whose page makes no progress, which its heartbeat thread ends after two seconds. The tests run it as a process.
import { randomUUID } from 'node:crypto';
import { startHeartbeat } from '#src/crawler/worker/heartbeat.ts';
import { loadWorkerConfig } from '#src/crawler/worker/worker-config.ts';

const heartbeat = startHeartbeat(
  { config: loadWorkerConfig(process.env), intervalMs: 1_000, stallMs: 1_000, logLevel: 'info' },
  {
    answer() {},
    line() {},
    died(error) {
      throw error;
    },
  },
);
heartbeat.activity.pageBegan({
  ...{ requestId: randomUUID(), leaseToken: randomUUID(), source: 'site', url: 'http://site.test/hangs' },
  ...{ host: 'site.test', depth: 0, attempt: 1, from: 0 },
});
