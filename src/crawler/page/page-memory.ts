// What a page gave in an earlier run of the schedule. A page that its server calls unmodified gives the same.

import { uuidOfText } from '../../gateway/protocol/url-key.ts';
import type {
  Claim,
  ItemData,
  KnownPage,
  Outcome,
  PageLinks,
  Validators,
  WorkerStore,
} from '../../gateway/protocol/worker-store.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';

/** Raised when the same page, read by the same spec, gives other items or links than before. */
const READING_VERSION = 4;

/** The fields of a run's spec that do not change what a page gives. */
export const OPERATIONAL: readonly string[] = [
  'sources',
  'limits',
  'workers',
  'concurrency',
  'heartbeat',
  'priority',
  'queue',
  'timeoutSeconds',
  'backoffLimit',
  'ttlSecondsAfterFinished',
  'pod',
  'image',
  'scheduleName',
  'trigger',
  'shutdown',
] satisfies (keyof CrawlRunSpec)[];

type Done = Extract<Outcome, { type: 'done' }>;

export type Recalled = {
  readonly content: { readonly items: readonly ItemData[]; readonly links: PageLinks };
  readonly validators: Validators;
};

export type PageMemory = {
  /** The validators for a conditional request; undefined when the page has to be sent in any case. */
  readonly validatorsOf: (claim: Claim) => Validators | undefined;
  /**
   * What the page had given when it had the claim's validators; undefined when that has been replaced or dropped
   * meanwhile. Rejects as the store does.
   */
  readonly recall: (claim: Claim, signal: AbortSignal) => Promise<Recalled | undefined>;
  /** What to keep of a page for the next run. */
  readonly entryOf: (claim: Claim, validators: Validators | undefined, links: PageLinks) => Done['page'];
};

export function createPageMemory(spec: CrawlRunSpec, store: Pick<WorkerStore, 'recallPage'>): PageMemory {
  const plans = new Map(spec.sources.map((source) => [source.name, planOf(spec, source)]));
  const isCurrent = (claim: Claim, page: KnownPage) => page.plan === plans.get(claim.source);

  return {
    validatorsOf: ({ known, ...claim }) =>
      known !== undefined && isCurrent(claim, known) ? validatorsOf(known) : undefined,
    async recall(claim, signal) {
      const page = await store.recallPage(claim.requestId, signal);
      if (page === undefined || !isCurrent(claim, page)) return undefined;
      const { etag, lastModified } = claim.known ?? {};
      if (page.etag !== etag || page.lastModified !== lastModified) return undefined;
      const { items, links } = page;
      return { content: { items, links }, validators: validatorsOf(page) };
    },
    entryOf(claim, validators, links) {
      const plan = plans.get(claim.source);
      if (plan === undefined) return undefined;
      return validators === undefined ? { plan } : { plan, ...validators, links };
    },
  };
}

/**
 * A UUID that stays the same as long as the same page gives the same. Every field counts that is not listed as
 * operational, so that a new field cannot be forgotten: at worst a change of it fetches pages once more.
 */
export function planOf(spec: CrawlRunSpec, source: CrawlRunSpec['sources'][number]): string {
  const decisive = Object.entries(spec).filter(([name]) => !OPERATIONAL.includes(name));
  return uuidOfText(JSON.stringify([READING_VERSION, source, decisive.sort(([a], [b]) => (a < b ? -1 : 1))]));
}

function validatorsOf({ etag, lastModified }: KnownPage): Validators {
  return { ...(etag === undefined ? {} : { etag }), ...(lastModified === undefined ? {} : { lastModified }) };
}
