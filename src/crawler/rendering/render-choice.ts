// Render mode Auto's decisions: how a page of a host is asked for, when what HTTP found is worth a look by the browser,
// and whether that look was of use. Pure functions; see docs/decisions on render mode Auto.
import type { ScriptSigns } from '../html/script-signs.ts';

/** What is known of a host, by this worker and by those before it. */
export type HostKnowledge = {
  /** Moving share of the compared pages for which the browser found more, from 0 to 1. */
  readonly browserNeed: number;
  /** Pages since both renderers were last compared. */
  readonly pagesSinceCheck: number;
  /** Comparisons in a row in which the browser found no more. */
  readonly vainChecks: number;
};

/** What was found on a page of that which was asked for. */
export type Yield = {
  /** No item has every required field. */
  readonly isIncomplete: boolean;
  /** No item, no link, or an item without a required field. */
  readonly isEmpty: boolean;
  /** Characters of all items and links: more is more. */
  readonly amount: number;
};

/**
 * `Strong` signs are nearly always right; `Weak` ones are also those of a short page, or of one that has nothing of
 * what was asked for.
 */
export type Evidence = 'Strong' | 'Weak' | 'None';

/** From this share on the browser is asked at once: HTTP first would cost most pages two requests. */
const BROWSER_FIRST = 0.5;
/** Pages between two comparisons of the renderers at a host: the host may have changed. */
export const CHECK_EVERY = 20;
/** Pages until a check with a surprising result is repeated. */
const SURE_AFTER = 3;
/** Knowledge older than this is checked with the first page. */
const MAX_AGE_MS = 24 * 60 * 60_000;
/** How often the browser may find no more before it waits for the next check. */
const VAIN_TRIES: Record<Exclude<Evidence, 'None'>, number> = { Strong: 10, Weak: 3 };

/** Characters of text that a page has at least when it was not left to scripts. */
const LITTLE_TEXT = { any: 200, asksForScripts: 1_000, emptyRoot: 2_000 };

export const UNKNOWN_HOST: HostKnowledge = { browserNeed: 0, pagesSinceCheck: 0, vainChecks: 0 };

/** What a worker begins with at a host that another one has looked at. */
export function inheritedKnowledge({ browserNeed, ageMs }: { browserNeed: number; ageMs: number }): HostKnowledge {
  return { browserNeed, pagesSinceCheck: ageMs > MAX_AGE_MS ? CHECK_EVERY : 0, vainChecks: 0 };
}

export function afterPage(host: HostKnowledge): HostKnowledge {
  return { ...host, pagesSinceCheck: host.pagesSinceCheck + 1 };
}

/** @param browserNeed with this check in it */
export function afterCheck(host: HostKnowledge, browserNeed: number, wasNeeded: boolean): HostKnowledge {
  const isExpected = wasNeeded === browserNeed >= BROWSER_FIRST;
  const pagesSinceCheck = isExpected ? 0 : CHECK_EVERY - SURE_AFTER;
  return { browserNeed, pagesSinceCheck, vainChecks: wasNeeded ? 0 : host.vainChecks + 1 };
}

/** How the next page of the host is asked for; `Both` compares them. */
export function firstLook(host: HostKnowledge): 'HTTP' | 'Browser' | 'Both' {
  if (!needsBrowser(host)) return 'HTTP';
  return host.pagesSinceCheck >= CHECK_EVERY ? 'Both' : 'Browser';
}

export function needsBrowser({ browserNeed }: HostKnowledge): boolean {
  return browserNeed >= BROWSER_FIRST;
}

/** What a page that was read by HTTP says of itself. One without scripts is the same in a browser. */
export function evidenceOf(signs: ScriptSigns, found: Yield): Evidence {
  const { scripts, textLength, hasEmptyRoot, asksForScripts } = signs;
  if (scripts === 0) return 'None';
  if (found.isIncomplete) return 'Strong';
  if (hasEmptyRoot && textLength < LITTLE_TEXT.emptyRoot) return 'Strong';
  if (asksForScripts && textLength < LITTLE_TEXT.asksForScripts) return 'Strong';
  return found.isEmpty || textLength < LITTLE_TEXT.any ? 'Weak' : 'None';
}

/** Whether the browser is asked, too. */
export function isWorthTheBrowser(evidence: Evidence, host: HostKnowledge): boolean {
  if (evidence === 'None') return false;
  return host.vainChecks < VAIN_TRIES[evidence] || host.pagesSinceCheck >= CHECK_EVERY;
}

/** Whether the browser found what HTTP did not. A little more may be an advertisement, or the time of day. */
export function foundMore(browser: Yield, http: Yield): boolean {
  if (browser.isIncomplete !== http.isIncomplete) return http.isIncomplete;
  return browser.amount > 1.1 * http.amount;
}

/** Whether a page that HTTP alone has served says anything that is not known: most hosts never need a browser. */
export function isNews(host: HostKnowledge): boolean {
  return host.browserNeed > 0.05;
}
