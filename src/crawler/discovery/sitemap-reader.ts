// Fetches a sitemap and puts its entries into the frontier while it arrives, a batch at a time. When the worker dies
// before the end, another one reads the sitemap again and finds the first batches known.
import { StoreError } from '../../gateway/protocol/store-error.ts';
import type {
  Claim,
  Discovery,
  FetchFacts,
  LeftOut,
  SkipReason,
  WorkerStore,
} from '../../gateway/protocol/worker-store.ts';
import { type Failure, failureOfError, failureOfStatus } from '../failure.ts';
import type { HttpClient, HttpResponse } from '../http/http-client.ts';
import type { ResponseHeaders } from '../http/response-headers.ts';
import { HostPausedError } from '../network/host-pacer.ts';
import { locationOf } from '../rendering/redirect.ts';
import { isRedirect, isSuccess } from '../rendering/renderer.ts';
import { timeLimit } from '../time-limit.ts';
import { isSameSite, type Scope } from '../urls/scope.ts';
import { hostKey, normaliseUrl } from '../urls/url.ts';
import type { LinkFilter } from './link-filter.ts';
import { createSitemapParser, type SitemapEntry } from './sitemap-parser.ts';
import { textOfSitemap } from './sitemap-text.ts';

/** Of one file, decompressed; as the protocol has it. */
const MAX_BYTES = 50 * 1024 * 1024;
/** Of one file; as the protocol has it. */
const MAX_ENTRIES = 50_000;
/** Indexes that may lie between a sitemap that was named and one with pages. The protocol has 1. */
const MAX_NESTING = 3;
const BATCH = 1_000;
/** A large file takes longer than a page, and its entries have to be stored meanwhile. */
const LEAST_TIMEOUT_MS = 4 * 60_000;

/** What holds for the source that the sitemap belongs to. */
export type SitemapRules = {
  readonly scope: Scope;
  readonly chooseLinks: LinkFilter;
  /** Present once the spec was edited: by which change. */
  readonly edited?: { readonly version: number } | undefined;
};

export type SitemapEnd = { readonly facts: FetchFacts } & (
  | { readonly type: 'read'; readonly leftOut: LeftOut }
  | { readonly type: 'redirect'; readonly to: URL }
  | { readonly type: 'failed'; readonly failure: Failure }
);

export type SitemapReader = {
  /** Rejects with the signal's reason, or with a StoreError. */
  readonly read: (claim: Claim, url: URL, rules: SitemapRules, signal: AbortSignal) => Promise<SitemapEnd>;
};

export function createSitemapReader(options: {
  readonly client: HttpClient;
  readonly store: Pick<WorkerStore, 'addLinks'>;
  readonly pageTimeoutMs: number;
}): SitemapReader {
  const { client, store } = options;
  const timeoutMs = Math.max(options.pageTimeoutMs, LEAST_TIMEOUT_MS);

  return {
    async read(claim, url, rules, signal) {
      const startedAt = performance.now();
      const intake = createIntake(claim, url, rules);

      async function consume(body: AsyncIterable<Buffer>, headers: ResponseHeaders): Promise<void> {
        for await (const batch of batchesOf(body, headers['content-type'])) {
          const links = intake.take(batch);
          const answer = links.length === 0 ? 'Added' : await store.addLinks(claim, links, signal);
          if (answer === 'Full') intake.count('MaxPages', links.length);
          if (answer !== 'Added') return;
        }
      }

      const request = { url, maxBytes: MAX_BYTES, onTooLarge: 'fail', wantsBody: isSuccess, consume } as const;
      using limit = timeLimit(timeoutMs, signal);
      const facts = { durationMs: 0, finalUrl: url.href };
      try {
        const response = await client.get(request, limit.signal);
        const durationMs = Math.round(performance.now() - startedAt);
        return { ...endOf(response, url, intake.leftOut), facts: { ...facts, durationMs, status: response.status } };
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof StoreError || error instanceof HostPausedError) throw error;
        const durationMs = Math.round(performance.now() - startedAt);
        return { type: 'failed', failure: failureOfError(error), facts: { ...facts, durationMs } };
      }
    },
  };
}

type Intake = {
  /** What becomes of entries. */
  readonly take: (entries: readonly SitemapEntry[]) => Discovery[];
  readonly leftOut: LeftOut;
  readonly count: (reason: SkipReason, entries: number) => void;
};

function createIntake(claim: Claim, sitemap: URL, rules: SitemapRules): Intake {
  const { source } = claim;
  const leftOut: Partial<Record<SkipReason, number>> = {};
  let room = MAX_ENTRIES;
  // Where it was asked for, too: some are kept at another place than the site that they are of.
  const sites = [sitemap, ...(claim.redirects ?? []).map((url) => new URL(url))];

  function count(reason: SkipReason, entries: number): void {
    if (entries > 0) leftOut[reason] = (leftOut[reason] ?? 0) + entries;
  }

  /** A page that a sitemap lists is as near as a start URL. */
  function pages(references: readonly string[]): Discovery[] {
    const links = { references, base: sitemap.href, unread: 0 };
    // The scope as it is by now: a start URL may have moved meanwhile.
    const { scope, edited } = rules;
    const finding = { depth: 0, within: scope.followsListed, counted: true };
    const chosen = rules.chooseLinks(links, { ...finding, ...(edited && { isExcluded: scope.excludesListed }) });
    for (const [reason, entries] of Object.entries(chosen.leftOut)) count(reason as SkipReason, entries);
    const request = (url: URL): Discovery => ({ source, url: url.href, host: hostKey(url), depth: 0 });
    const excluded = edited ? chosen.excluded.map((url) => ({ ...request(url), excludedBy: edited.version })) : [];
    return [...chosen.follow.map(request), ...excluded];
  }

  function sitemaps(references: readonly string[]): Discovery[] {
    const urls = references
      .map((reference) => normaliseUrl(reference, sitemap.href))
      .filter((url) => url !== undefined);
    const ours = urls.filter((url) => sites.some((site) => isSameSite(url, site)));
    count('OutOfScope', urls.length - ours.length);
    if (claim.depth >= MAX_NESTING) {
      count('MaxDepth', ours.length);
      return [];
    }
    const depth = claim.depth + 1;
    return ours.map((url) => ({ source, url: url.href, host: hostKey(url), depth, kind: 'Sitemap' }));
  }

  return {
    take(entries) {
      const taken = entries.slice(0, room);
      room -= taken.length;
      count('TooManyLinks', entries.length - taken.length);
      const locations = (kind: SitemapEntry['kind']) =>
        taken.filter((entry) => entry.kind === kind).map((entry) => entry.location);
      return [...pages(locations('Page')), ...sitemaps(locations('Sitemap'))];
    },
    leftOut,
    count,
  };
}

async function* batchesOf(
  body: AsyncIterable<Buffer>,
  contentType: string | undefined,
): AsyncGenerator<readonly SitemapEntry[]> {
  const parser = createSitemapParser();
  let batch: SitemapEntry[] = [];
  for await (const text of textOfSitemap(body, MAX_BYTES, contentType)) {
    batch.push(...parser.write(text));
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  yield [...batch, ...parser.end()];
}

function endOf(response: HttpResponse, url: URL, leftOut: LeftOut) {
  const { status, headers } = response;
  const failure = failureOfStatus(status, headers['retry-after'], Date.now());
  if (failure !== undefined) return { type: 'failed', failure } as const;
  const to = isRedirect(status) ? normaliseUrl(locationOf(headers) ?? '', url.href) : undefined;
  if (to !== undefined) return { type: 'redirect', to } as const;
  if (isSuccess(status)) return { type: 'read', leftOut } as const;
  const message = `the server answered ${status} without a sitemap`;
  return { type: 'failed', failure: { cause: 'HttpError', message, retryable: false } } as const;
}
