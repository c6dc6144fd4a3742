// What each source of the spec lets its pages lead to, and what is read from them.
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { createLinkFilter, createVerdicts, type Verdicts } from '../discovery/link-filter.ts';
import type { Trap } from '../discovery/spider-traps.ts';
import { planForSource } from '../extraction/extraction.ts';
import type { PagePlan } from '../html/page-plan.ts';
import { createScope, type Scope } from '../urls/scope.ts';
import { createUrlCleaner, fragmentRule } from '../urls/url-cleaner.ts';

export type SourceRules = ReturnType<typeof rulesOf>;

/** What of an edited spec pages in the crawl go by; absent as long as it is the one that the worker began with. */
export type EditedSpec = {
  /** Which change it is of. */
  readonly version: number;
  readonly sources: CrawlRunSpec['sources'];
  readonly limits: CrawlRunSpec['limits'];
};

/** By the source's name. */
export function createSourceRules(
  spec: CrawlRunSpec,
  plan: PagePlan,
  scopeOf: (source: string) => Scope | undefined,
  edited: () => EditedSpec | undefined,
  onTrap: (trap: Trap, url: URL) => void,
): ReadonlyMap<string, SourceRules> {
  const verdicts = createVerdicts();
  return new Map(
    spec.sources.map((source) => [source.name, rulesOf(source, spec, plan, scopeOf, edited, verdicts, onTrap)]),
  );
}

function rulesOf(
  source: CrawlRunSpec['sources'][number],
  spec: CrawlRunSpec,
  plan: PagePlan,
  scopeOf: (source: string) => Scope | undefined,
  edited: () => EditedSpec | undefined,
  verdicts: Verdicts,
  onTrap: (trap: Trap, url: URL) => void,
) {
  const chooseLinks = createLinkFilter(source, spec, verdicts, onTrap);
  const scope = createScope(source);
  return {
    get edited(): EditedSpec | undefined {
      return edited();
    },
    /** As far as is known: a start URL that moves takes it along. */
    get scope(): Scope {
      return scopeOf(source.name) ?? scope;
    },
    clean: createUrlCleaner(source.scope.dropParameters, fragmentRule(source.scope.fragments, spec.fetch.render)),
    chooseLinks,
    plan: planForSource(plan, source),
    maxItems: source.limits.maxItemsPerPage ?? Number.POSITIVE_INFINITY,
    takesNamedSitemaps: source.sitemapsFromRobots,
    followsCanonical: source.scope.canonical === 'Follow',
  };
}
