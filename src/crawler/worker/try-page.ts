// What a run would make of its first pages, without a database: one page of each source, read as a worker reads it.
import { randomUUID } from 'node:crypto';
import type { Claim, Discovery, HostRobots, Outcome, WorkerStore } from '../../gateway/protocol/worker-store.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { durationMs } from '../../resources/duration.ts';
import { hostSpacingMs } from '../../resources/politeness.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { createRobotsGate } from '../discovery/robots-gate.ts';
import { seedsOf } from '../discovery/seeds.ts';
import { createSitemapReader } from '../discovery/sitemap-reader.ts';
import { createTrapReports } from '../discovery/trap-reports.ts';
import { withListedUrls } from '../discovery/url-lists.ts';
import { modulePathOf, startExtractor } from '../extraction/extractor.ts';
import { createHostPacer } from '../network/host-pacer.ts';
import { createPageCrawler } from '../page/crawl-page.ts';
import { createHostReports } from '../page/host-reports.ts';
import type { WorkerConfig } from './worker-config.ts';
import { createNetwork } from './worker-network.ts';

export type Trial = {
  readonly source: string;
  /** The page that was tried: the first start URL, or where it leads. */
  readonly url: string;
  readonly outcome: Outcome;
};

/** Redirects, sitemaps and refusals between a start URL and a page. */
const MOST_STEPS = 12;

/** One trial for each active source, as it comes to its end. Rejects with the signal's reason, or as a worker would fail. */
export async function* tryPages(
  config: WorkerConfig,
  given: CrawlRunSpec,
  log: Logger,
  signal: AbortSignal,
): AsyncGenerator<Trial> {
  const spec = await withListedUrls(given, config.urlListsDirectory);
  const spacingMs = hostSpacingMs(spec.politeness);
  const store = createTrialStore(spacingMs);
  const pacer = createHostPacer({ spacingMs, reserve: store.reserveHost });
  const { userAgent, pageTimeout } = spec.fetch;
  const modulePath = modulePathOf(spec, config.extractorDirectory);
  const needsExtractor = modulePath !== undefined || spec.extract?.text === true;
  const extractor = needsExtractor
    ? await startExtractor(modulePath === undefined ? {} : { modulePath }, log)
    : undefined;
  const network = await createNetwork({ config, spec, store, pacer, log });
  try {
    const { client, renderer, routes } = network;
    const robots = createRobotsGate({ store, client, userAgent, pacer });
    const pages = createPageCrawler({
      ...{ spec, store, routes, renderer, pacer },
      reports: createHostReports({ store, proxy: spec.proxy, log }),
      traps: createTrapReports(store, log),
      sitemaps: createSitemapReader({ client, store, pageTimeoutMs: durationMs(pageTimeout) }),
      ...(spec.politeness.robots === 'Obey' ? { robots } : {}),
      ...(extractor === undefined ? {} : { extractor }),
    });
    const seeds = seedsOf(spec);
    for (const { name } of spec.sources.filter(({ active }) => active)) {
      const seed = seeds.find(({ source }) => source === name);
      if (seed !== undefined) yield await follow(seed);
    }

    async function follow(seed: Discovery): Promise<Trial> {
      let at = seed;
      for (let step = 1; ; step += 1) {
        const place = await store.reserveHost(at.host);
        const claim: Claim = { ...at, ...place, requestId: randomUUID(), leaseToken: randomUUID(), attempt: 1 };
        const found = store.takeLinks();
        const outcome = await pages.crawl(claim, { stopping: signal, abort: signal });
        signal.throwIfAborted();
        const next = nextStep(outcome, [...(outcome.links ?? []), ...found, ...store.takeLinks()]);
        if (next === undefined || step >= MOST_STEPS) return { source: seed.source, url: at.url, outcome };
        at = next;
      }
    }
  } finally {
    await network.close();
    await extractor?.close();
  }
}

/** Where a URL leads that is no page itself. */
function nextStep(outcome: Outcome, links: readonly Discovery[]): Discovery | undefined {
  if (outcome.type !== 'skipped') return undefined;
  return ['Redirected', 'Canonical', 'Sitemap'].includes(outcome.reason) ? links[0] : undefined;
}

/** What one process knows of hosts, in its memory. */
function createTrialStore(spacingMs: number) {
  const nextAt = new Map<string, number>();
  const robots = new Map<string, Omit<HostRobots, 'ageMs'>>();
  let links: Discovery[] = [];
  const nothing = async () => undefined;
  return {
    async reserveHost(host) {
      const from = Math.max(nextAt.get(host) ?? 0, performance.now());
      nextAt.set(host, from + spacingMs);
      return { from };
    },
    async deferHost(host, delayMs) {
      nextAt.set(host, performance.now() + delayMs);
    },
    async addLinks(_claim, found) {
      links.push(...found);
      return 'Added';
    },
    takeLinks() {
      const taken = links;
      links = [];
      return taken;
    },
    moveScope: async () => true,
    readMovedScopes: async () => ({}),
    reportBlock: nothing,
    reportFailure: async () => false,
    reportAnswer: nothing,
    reportOutage: async () => ({ state: 'Up', pauseMs: 0 }),
    reportReachable: nothing,
    reportTrap: nothing,
    async readRobots(host) {
      const known = robots.get(host);
      return known && { ...known, ageMs: 0 };
    },
    async writeRobots(host, found) {
      robots.set(host, found);
    },
    setCrawlDelay: nothing,
    readHostRendering: nothing,
    learnHostRendering: async () => 0,
  } satisfies Partial<WorkerStore> & { takeLinks(): Discovery[] } & {
    reserveHost(host: string): Promise<Claim | { from: number }>;
  };
}
