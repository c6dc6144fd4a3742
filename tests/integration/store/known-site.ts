// A small site whose links are known, and one who reads it as a worker of a run does: what is crawled, and which links are followed,
// is decided by the crawler's own code under the spec that is known at that time.
import { createExtraction } from '#src/crawler/extraction/extraction.ts';
import { createMovedScopes } from '#src/crawler/page/moved-scopes.ts';
import { skipped } from '#src/crawler/page/outcomes.ts';
import { createPageLinks } from '#src/crawler/page/page-links.ts';
import { createSourceRules, type EditedSpec } from '#src/crawler/page/source-rules.ts';
import { createObjections } from '#src/crawler/urls/objections.ts';
import { createScope } from '#src/crawler/urls/scope.ts';
import type { Claim, Discovery, Outcome } from '#src/gateway/protocol/worker-store.ts';
import type { CrawlRunSpec } from '#src/resources/crawl-run.ts';

const PAGES = 50;
/** The first folder of each URL, for patterns. */
export const SECTIONS = ['news', 'shop', 'old'] as const;
const HOSTS = 4;

const hostOf = (page: number) => `h${page % HOSTS}.site.test`;
const urlOf = (page: number) => `http://${hostOf(page)}/${SECTIONS[page % SECTIONS.length]}/${page}`;

/** A tree, and ways across it: most pages are found at several others, at several depths. */
function linksOf(url: string): string[] {
  const page = Number(url.split('/').at(-1));
  const links = [2 * page + 1, 2 * page + 2, (7 * page + 3) % PAGES];
  return links.filter((next) => next < PAGES).map(urlOf);
}

export const START = urlOf(0);
export const SEEDS: readonly Discovery[] = [{ source: 'site', url: START, host: hostOf(0), depth: 0 }];

/** The links of the page that are crawled under the spec, whatever their depth. */
export function linksWithin({ sources: [source] }: CrawlRunSpec, url: string): readonly string[] {
  const scope = source && createScope(source);
  return linksOf(url).filter((link) => scope?.followsLink(new URL(link)));
}

export type Reader = {
  readonly change: (edited: EditedSpec) => void;
  /** What is skipped unread, if it is. */
  readonly skip: (claim: Claim) => Outcome | undefined;
  readonly read: (claim: Claim) => Outcome;
};

/** A worker that begins with the spec. */
export function createReader(spec: CrawlRunSpec): Reader {
  const neverMoved = { moveScope: async () => false, readMovedScopes: async () => ({}) };
  const moved = createMovedScopes(spec, neverMoved);
  let edited: EditedSpec | undefined;
  let objectionTo: ReturnType<typeof createObjections> = () => undefined;
  const { plan } = createExtraction(spec.extract);
  const sources = createSourceRules(
    spec,
    plan,
    moved.scopeOf,
    () => edited,
    () => {},
  );
  const { linksOf: linksToStore } = createPageLinks(spec, sources);
  return {
    change(next) {
      edited = next;
      moved.change(next.sources);
      objectionTo = createObjections(next, moved.scopeOf, 'Read');
    },
    skip(claim) {
      if (edited === undefined || claim.isReread) return undefined;
      const objection = objectionTo(claim);
      return objection && { ...skipped(claim, objection), judgedBy: edited.version };
    },
    read(claim) {
      const page = { references: linksOf(claim.url), base: claim.url, unread: 0 };
      const found = linksToStore(claim, new URL(claim.url), page);
      return { claim, type: 'done', items: [{ url: claim.url }], ...found };
    },
  };
}
