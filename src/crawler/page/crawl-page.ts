// One claimed URL from claim to outcome: admission, its place at the host, the visit, and what the page comes to.

import type { Claim, FetchFacts, Outcome, WorkerStore } from '../../gateway/protocol/worker-store.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { blockedBy } from '../blocking/blocked.ts';
import { createHostHistory } from '../blocking/host-history.ts';
import type { RobotsGate } from '../discovery/robots-gate.ts';
import type { SitemapReader } from '../discovery/sitemap-reader.ts';
import type { TrapReports } from '../discovery/trap-reports.ts';
import { createExtraction } from '../extraction/extraction.ts';
import type { Extractor } from '../extraction/extractor.ts';
import type { Failure } from '../failure.ts';
import { type HostPacer, HostPausedError } from '../network/host-pacer.ts';
import type { Routes } from '../network/routes.ts';
import { enterStage } from '../page-stage.ts';
import type { Renderer } from '../rendering/renderer.ts';
import { createObjections } from '../urls/objections.ts';
import { hostKey } from '../urls/url.ts';
import { createFailPage } from './failed-page.ts';
import type { HostReports } from './host-reports.ts';
import { createMovedScopes } from './moved-scopes.ts';
import { skipped, tooManyRedirects } from './outcomes.ts';
import type { Screenshots } from './page-additions.ts';
import type { PageMemory } from './page-memory.ts';
import { createPageReading } from './page-reading.ts';
import { type CrawlSignals, createPageVisits, type RedirectRules, type Visit } from './page-visit.ts';
import { createPassages } from './passages.ts';
import { inPlaceOf } from './requests.ts';
import { createSitemapClaims } from './sitemap-claim.ts';
import { createSourceRules, type EditedSpec, type SourceRules } from './source-rules.ts';

export type PageCrawler = {
  /**
   * The claim's outcome. Rejects with the signal's reason when that is aborted, and with a StoreError when the store
   * cannot answer; a page's own trouble is always an outcome.
   */
  readonly crawl: (claim: Claim, signals: CrawlSignals) => Promise<Outcome>;
  /** Pages go by the edited spec from now on, those under way for their links. */
  readonly change: (edited: EditedSpec) => void;
};

export function createPageCrawler(options: {
  readonly spec: CrawlRunSpec;
  readonly store: Pick<WorkerStore, 'deferHost' | 'addLinks' | 'moveScope' | 'readMovedScopes'>;
  readonly reports: HostReports;
  readonly traps: TrapReports;
  readonly routes: Routes;
  readonly renderer: Renderer;
  /** Absent when the spec says that robots.txt is ignored. */
  readonly robots?: RobotsGate;
  readonly sitemaps: SitemapReader;
  /** Absent for a run without a schedule: nothing is to be kept for a next one. */
  readonly memory?: PageMemory;
  readonly pacer: HostPacer;
  /** Absent when the spec asks for nothing that it does. */
  readonly extractor?: Extractor;
  /** Absent when the spec asks for none. */
  readonly screenshots?: Screenshots;
}): PageCrawler {
  const { spec, store, reports, traps, routes, robots, pacer } = options;
  const extraction = createExtraction(spec.extract);
  const moved = createMovedScopes(spec, store);
  let edited: EditedSpec | undefined;
  let objectionTo: ReturnType<typeof createObjections> = () => undefined;
  const sources = createSourceRules(spec, extraction.plan, moved.scopeOf, () => edited, traps.noticed);
  const passages = createPassages();
  const failPage = createFailPage(options);
  const { addNamedSitemaps, readSitemap } = createSitemapClaims({ ...options, sources, moved, failPage });
  const visit = createPageVisits({ ...options, mayAsk });
  const reading = createPageReading({ ...options, sources, extraction, failPage });
  const history = createHostHistory();

  /** What keeps the URL from being fetched, if anything: asked before it takes its place at the host. */
  async function refusal(claim: Claim, url: URL, signals: CrawlSignals): Promise<Outcome | undefined> {
    if (robots === undefined) return undefined;
    const answer = await robots.check(url, signals.abort);
    if ('failure' in answer) return failPage(claim, answer.failure, undefined, signals.abort);
    await addNamedSitemaps(claim, url, answer.sitemaps, signals.abort);
    return answer.allowed ? undefined : skipped(claim, 'RobotsDisallowed');
  }

  /** It was found under another spec, or by a worker that did not know this one yet. */
  function skippedByEdit(claim: Claim): Outcome | undefined {
    if (edited === undefined || claim.kind === 'Sitemap' || claim.isReread) return undefined;
    const objection = objectionTo(claim);
    return objection && { ...skipped(claim, objection), judgedBy: edited.version };
  }

  /** As for any other request: its scope, robots.txt, and a place of its own at the host. */
  async function mayAsk({ source }: Claim, to: URL, signals: CrawlSignals): Promise<boolean> {
    if (!sources.get(source)?.scope.followsRedirect(to)) return false;
    const answer = await robots?.check(to, signals.abort);
    if (answer !== undefined && ('failure' in answer || !answer.allowed)) return false;
    await pacer.takePlace(hostKey(to), signals.stopping);
    return true;
  }

  async function crawlPage(claim: Claim, url: URL, signals: CrawlSignals): Promise<Outcome> {
    const rules = sources.get(claim.source);
    if (rules === undefined) return skipped(claim, 'OutOfScope');
    const through: URL[] = [];
    const visited = await visit(claim, url, redirectRulesOf(claim, rules, through), signals);
    passages.ended(claim.source, through, visited.type !== 'away');
    const refused = refusedBy(claim, visited);
    if (refused !== undefined) return failPage(claim, refused, visited.facts, signals.abort);
    return outcomeOf(claim, visited, signals.abort);
  }

  /** @param through takes the URLs out of the scope that the visit passes through */
  function redirectRulesOf(claim: Claim, { plan, clean, scope }: SourceRules, through: URL[]): RedirectRules {
    return {
      plan,
      clean,
      follows: scope.followsRedirect,
      async mayPass(to, signal) {
        const isOpen = isStart(claim) || passages.isOpen(claim.source, to);
        if (!isOpen || scope.excludes(to)) return false;
        const answer = await robots?.check(to, signal);
        if (answer !== undefined && !('allowed' in answer && answer.allowed)) return false;
        through.push(to);
        return true;
      },
    };
  }

  function isStart(claim: Claim): boolean {
    return moved.isStart(claim.source, claim.redirects?.[0] ?? claim.url);
  }

  /** A start URL takes the scope along, or has failed: else its source would succeed with nothing crawled. */
  async function wentAway(
    claim: Claim,
    to: URL,
    path: readonly string[],
    facts: FetchFacts,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const [start = claim.url] = path;
    if (!moved.isStart(claim.source, start)) return skipped(claim, 'OutOfScope', facts);
    const move = await moved.move(claim.source, start, to, signal);
    if (move === 'Moved') {
      return { ...skipped(claim, 'Redirected', facts), links: [inPlaceOf(claim, to, withoutEnd(path, to))] };
    }
    const why =
      move === 'OtherSite'
        ? `which is another site: name it as a start URL, or use another scope`
        : 'and too many start URLs of the source have moved already';
    return { type: 'dead', claim, cause: 'MovedAway', message: `the start URL leads to ${to.href}, ${why}`, facts };
  }

  /** The refusal that the visit met, seen against what its host gave before. */
  function refusedBy({ host }: Claim, visited: Visit): Failure | undefined {
    const evidence =
      visited.type === 'page'
        ? history.emptyShell(host, visited.rendered.page)
        : visited.type === 'failed' && visited.facts.status === 403
          ? history.forbidden(host)
          : undefined;
    return evidence === undefined ? undefined : blockedBy(evidence);
  }

  async function outcomeOf(claim: Claim, visited: Visit, signal: AbortSignal): Promise<Outcome> {
    const { url, facts } = visited;
    if (visited.type === 'page' || visited.type === 'unchanged') await reports.gavePage(claim, signal);
    else if (visited.type !== 'failed') await reports.answered(claim, signal);
    switch (visited.type) {
      case 'page':
        return reading.read(claim, url, visited.rendered, signal);
      case 'unchanged':
        return reading.done(claim, url, visited.before.content, facts, visited.before.validators);
      case 'redirect':
        return { ...skipped(claim, 'Redirected', facts), links: [inPlaceOf(claim, visited.to, visited.path)] };
      case 'away':
        return wentAway(claim, visited.to, visited.path, facts, signal);
      case 'tooManyRedirects':
        return tooManyRedirects(claim, visited.path, facts);
      case 'notHtml':
        return skipped(claim, 'NotHtml', facts);
      case 'failed':
        return failPage(claim, visited.failure, facts, signal);
    }
  }

  async function crawl(claim: Claim, signals: CrawlSignals): Promise<Outcome> {
    const url = URL.parse(claim.url);
    if (url === null || url.hostname === '') {
      return { type: 'dead', claim, cause: 'InvalidUrl', message: `"${claim.url}" is not a URL` };
    }
    routes.learn(claim);
    if (reports.isParked(claim)) return { type: 'released', claim };
    await moved.refresh(claim, url, signals.abort);
    const unwanted = skippedByEdit(claim);
    if (unwanted !== undefined) return unwanted;
    const refused = await refusal(claim, url, signals);
    if (refused !== undefined) return refused;
    await pacer.untilPlace(claim.host, claim, signals.stopping);
    if (reports.isParked(claim)) return { type: 'released', claim };
    enterStage('Fetching');
    const outcome = await (claim.kind === 'Sitemap'
      ? readSitemap(claim, url, signals.abort)
      : crawlPage(claim, url, signals));
    await traps.send(signals.abort);
    return outcome;
  }

  return {
    change(next) {
      edited = next;
      moved.change(next.sources);
      objectionTo = createObjections(next, moved.scopeOf, 'Read');
    },
    async crawl(claim, signals) {
      try {
        return await crawl(claim, signals);
      } catch (error) {
        if (error instanceof HostPausedError) return { type: 'released', claim };
        throw error;
      }
    },
  };
}

/** The path to a URL without the URL itself, which may stand at its end. */
function withoutEnd(path: readonly string[], to: URL): readonly string[] {
  return path.at(-1) === to.href ? path.slice(0, -1) : path;
}
