// robots.txt by RFC 9309: what a fetch of it means, and whether a page may be visited.
import robotsParser from 'robots-parser';
import type { HostRobots } from '../../store/worker-store.ts';

// The package is CommonJS and exports the function itself; its types call it the default export.
const parseRobots = robotsParser as unknown as typeof robotsParser.default;

/** What is read of a robots.txt; RFC 9309 asks for at least 500 KiB. */
export const MAX_ROBOTS_BYTES = 500 * 1024;

/** A crawl-delay beyond this is taken as this: one host must not park a run for days. */
const MAX_CRAWL_DELAY_MS = 60_000;

/** Sitemaps of one file that are looked at. */
const MAX_SITEMAPS = 100;

/** A line that is longer can match no URL that we crawl, but would cost time at every match. */
const MAX_LINE_LENGTH = 4_096;
/** Each is tried at every character of a URL. */
const MAX_WILDCARDS_OF_LINE = 10;
const MAX_WILDCARDS = 2_000;

/** What is kept of a host's robots.txt, without its age. */
export type RobotsRules = Omit<HostRobots, 'ageMs'>;

/** The word that robots.txt groups are chosen by: the first of the User-Agent header, without its version. */
export function productToken(userAgent: string): string {
  return userAgent.trim().split(/[\s/]/, 1)[0]?.toLowerCase() ?? '';
}

/** RFC 9309, 2.3.1: 4xx means no rules, 5xx (and 429, which asks for patience) means keep out for now. */
export function rulesFromResponse(status: number, body: string, userAgent: string): RobotsRules {
  if (status >= 500 || status === 429) return { verdict: 'disallow' };
  if (status < 200 || status >= 300) return { verdict: 'allow' };
  const text = boundedLines(body).join('\n');
  const delay = parseRobots('http://host/robots.txt', text).getCrawlDelay(productToken(userAgent));
  const crawlDelayMs = delay === undefined || !(delay > 0) ? undefined : Math.min(delay * 1_000, MAX_CRAWL_DELAY_MS);
  return { verdict: 'rules', body: text, ...(crawlDelayMs === undefined ? {} : { crawlDelayMs }) };
}

/** Without lines that no site needs, but that would take seconds to match with a single URL. */
function boundedLines(body: string): string[] {
  let room = MAX_WILDCARDS;
  return body.split(/\r\n|\r|\n/).filter((line) => {
    const wildcards = line.split('*', MAX_WILDCARDS_OF_LINE + 2).length - 1;
    if (line.length > MAX_LINE_LENGTH || wildcards > MAX_WILDCARDS_OF_LINE) return false;
    room -= wildcards;
    return room >= 0 || wildcards === 0;
  });
}

/** The sitemaps that the file names; they are for every crawler, whatever its group. */
export function sitemapsOf(rules: RobotsRules): string[] {
  return [...(rules.body ?? '').matchAll(/^[\t ]*sitemap[\t ]*:[\t ]*(\S+)/gim)]
    .map(([, reference = '']) => reference)
    .slice(0, MAX_SITEMAPS);
}

/** A test of URLs of one origin (scheme, host and port). */
export function compileRules(rules: RobotsRules, origin: string, userAgent: string): (url: URL) => boolean {
  if (rules.verdict !== 'rules') return () => rules.verdict === 'allow';
  const robots = parseRobots(`${origin}/robots.txt`, rules.body ?? '');
  const product = productToken(userAgent);
  return (url) => robots.isAllowed(url.href, product) ?? true;
}
