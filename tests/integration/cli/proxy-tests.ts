// Runs that try a proxy out, ended as operator and worker would.
import { setTimeout as delay } from 'node:timers/promises';
import { CRAWL_RUNS, type CrawlRun } from '#src/custom-resources/types.ts';
import { claimSome, FAST, never, urls } from '../store/fixture.ts';
import type { Shop } from './shop.ts';

/** Each of them has read its page, until the signal comes. */
export async function answerProxyTests({ server, installation }: Shop, signal: AbortSignal): Promise<void> {
  const answered = new Set<string>();
  while (!signal.aborted) {
    const { items } = await server.api.resource<CrawlRun>(CRAWL_RUNS).list({ namespace: 'default', signal: never });
    for (const { metadata } of items) {
      if (!metadata.name.endsWith('-proxy-test') || answered.has(metadata.name)) continue;
      answered.add(metadata.name);
      const run = await installation.createRun(FAST, { runId: metadata.uid, name: metadata.name });
      const worker = run.worker();
      await worker.seed(urls(1), never);
      const claims = await claimSome(worker, 1);
      const facts = { status: 200, durationMs: 7 };
      await worker.commit(
        claims.map((claim) => ({ type: 'done', claim, items: [{ text: '203.0.113.9' }], links: [], facts })),
        never,
      );
    }
    await delay(200);
  }
}
