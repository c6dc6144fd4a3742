// robots.txt by RFC 9309, and by Google's parser where the RFC leaves room: which group a crawler belongs to, what it may
// visit, how fast, and which sitemaps there are.
import { isUtf8 } from 'node:buffer';
import type { HostRobots } from '../../gateway/protocol/worker-store.ts';
import { compilePattern, patternLength, type RobotsPattern, robotsPathOf } from './robots-pattern.ts';

/** What is read of a robots.txt; RFC 9309 asks for at least 500 KiB. */
export const MAX_ROBOTS_BYTES = 500 * 1024;

/** What is kept of one, in bytes of UTF-8; its lines beyond are left out as those beyond `MAX_ROBOTS_BYTES` are. */
const MAX_KEPT_BYTES = 1024 * 1024;

/** A crawl-delay beyond this is taken as this: one host must not park a run for days. */
const MAX_CRAWL_DELAY_MS = 60_000;

/** Sitemaps of one file that are looked at. */
const MAX_SITEMAPS = 100;

/** What is kept of a host's robots.txt, without its age: the same for every crawler. */
export type RobotsRules = Omit<HostRobots, 'ageMs'>;

/**
 * The word that robots.txt groups are chosen by: the first of the User-Agent header, up to what no product token has
 * (RFC 9309, 2.2.1). In lower case. A name without a single letter stands for itself.
 */
export function productToken(userAgent: string): string {
  const [word = ''] = userAgent.trim().toLowerCase().split(/[\s/]/, 1);
  return tokenOf(word) || word;
}

function tokenOf(value: string): string {
  return /^[a-z_-]*/i.exec(value)?.[0].toLowerCase() ?? '';
}

/** RFC 9309, 2.3.1: 4xx means no rules, 5xx (and 429, which asks for patience) means keep out for now. */
export function rulesFromResponse(status: number, body: Buffer): RobotsRules {
  if (status >= 500 || status === 429) return { verdict: 'disallow' };
  if (status < 200 || status >= 300) return { verdict: 'allow' };
  return { verdict: 'rules', body: keptLines(textOf(body)) };
}

const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

/** Bytes that are not UTF-8 stand in the text percent-encoded, as they do in URLs. */
function textOf(body: Buffer): string {
  const [first = 0, second = 0] = body;
  // Some editors call UTF-16 "Unicode". Read as anything else, such a file would forbid nothing.
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le').decode(body);
  if (first === 0xfe && second === 0xff) return new TextDecoder('utf-16be').decode(body);
  let start = 0;
  // Google's parser takes a broken mark for one, too.
  while (start < BYTE_ORDER_MARK.length && body[start] === BYTE_ORDER_MARK[start]) start++;
  const bytes = body.subarray(start);
  if (isUtf8(bytes)) return bytes.toString('utf8');
  return bytes
    .toString('latin1')
    .replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Files are kept without comments and without what says nothing to anybody. */
function keptLines(text: string): string {
  let room = MAX_KEPT_BYTES;
  const kept: string[] = [];
  for (const line of text.split(/[\r\n]+/)) {
    const statement = statementOf(line);
    if (statement === undefined) continue;
    const written = `${statement.key}: ${statement.value}`;
    room -= Buffer.byteLength(written) + 1;
    if (room < 0) break;
    kept.push(written);
  }
  return kept.join('\n');
}

const KEYS = {
  'user-agent': /^(user-agent|useragent|user agent)/i,
  allow: /^allow/i,
  disallow: /^(disallow|dissallow|dissalow|disalow|diasllow|disallaw)/i,
  sitemap: /^(sitemap|site-map)/i,
  'crawl-delay': /^crawl-?delay/i,
} as const;

type Key = keyof typeof KEYS;
type Statement = { readonly key: Key; readonly value: string };

/** What a line says. Misspelt keys count, and so does one without a colon where two words stand alone (Google's parser). */
function statementOf(line: string): Statement | undefined {
  const [text = ''] = line.split('#', 1);
  const [, written = '', value = ''] = /^([^:]+):(.*)$/s.exec(text) ?? /^\s*(\S+)[ \t]+(\S+)\s*$/.exec(text) ?? [];
  const name = withoutSpace(written);
  const key = (Object.keys(KEYS) as Key[]).find((candidate) => KEYS[candidate].test(name));
  return key === undefined ? undefined : { key, value: withoutSpace(value) };
}

/** Of ASCII alone: a byte-order mark in the middle of a file makes its line one that says nothing (Google's parser). */
function withoutSpace(text: string): string {
  return text.replace(/^[\t-\r ]+|[\t-\r ]+$/g, '');
}

function statementsOf(rules: RobotsRules): readonly Statement[] {
  return (rules.body ?? '').split('\n').flatMap((line) => statementOf(line) ?? []);
}

/** The sitemaps that the file names; they are for every crawler, whatever its group. */
export function sitemapsOf(rules: RobotsRules): string[] {
  return statementsOf(rules)
    .filter(({ key, value }) => key === 'sitemap' && value !== '')
    .map(({ value }) => value)
    .slice(0, MAX_SITEMAPS);
}

type Rule = { readonly verdict: 'allow' | 'disallow'; readonly pattern: string };
/** What a file says to one crawler, or to everybody who has no group of his own. */
type Group = { isNamed: boolean; readonly rules: Rule[]; crawlDelayMs: number };

/**
 * The rules of all groups that name the crawler, or else of those for `*` (RFC 9309, 2.2.1). Records that the RFC does not
 * know end no group (2.2.4); a crawl-delay is for those who were named before it.
 */
function groupOf(statements: readonly Statement[], product: string): Group {
  const own: Group = { isNamed: false, rules: [], crawlDelayMs: 0 };
  const everybody: Group = { isNamed: false, rules: [], crawlDelayMs: 0 };
  const open = new Set<Group>();
  let hasRules = false;
  for (const { key, value } of statements) {
    if (key === 'user-agent') {
      if (hasRules) open.clear();
      hasRules = false;
      const group = isEverybody(value) ? everybody : isProduct(value, product) ? own : undefined;
      if (group === undefined) continue;
      group.isNamed = true;
      open.add(group);
    } else if (key === 'crawl-delay') {
      for (const group of open) group.crawlDelayMs = Math.max(group.crawlDelayMs, delayMs(value));
    } else if (key !== 'sitemap' && open.size > 0) {
      hasRules = true;
      for (const group of open) group.rules.push({ verdict: key, pattern: value });
    }
  }
  return own.isNamed ? own : everybody;
}

function isEverybody(value: string): boolean {
  return /^\*(\s|$)/.test(value);
}

/** A value is read up to the first character that no product token has: "Foo Bar" is Foo. */
function isProduct(value: string, product: string): boolean {
  return tokenOf(value) === product || value.toLowerCase() === product;
}

function delayMs(value: string): number {
  const [written = '0'] = /^(\d+([.,]\d*)?|[.,]\d+)/.exec(value) ?? [];
  const seconds = Number(written.replace(',', '.'));
  return Math.min(seconds * 1_000, MAX_CRAWL_DELAY_MS);
}

/** The crawl-delay for the crawler in milliseconds, a minute at most; 0 for none. */
export function crawlDelayMs(rules: RobotsRules, userAgent: string): number {
  return groupOf(statementsOf(rules), productToken(userAgent)).crawlDelayMs;
}

/** A test of the host's URLs. Of the rules that match the longest one counts, and of two that are as long the one that allows. */
export function compileRules(rules: RobotsRules, userAgent: string): (url: URL) => boolean {
  if (rules.verdict !== 'rules') return () => rules.verdict === 'allow';
  const group = groupOf(statementsOf(rules), productToken(userAgent));
  const compiled = byPriority([...group.rules, ...group.rules.flatMap(directoryOf)]);
  return (url) => {
    const path = robotsPathOf(url);
    const deciding = compiled.find(({ matches }) => matches(path));
    return deciding === undefined || deciding.verdict === 'allow';
  };
}

type CompiledRule = { readonly verdict: Rule['verdict']; readonly length: number; readonly matches: RobotsPattern };

function byPriority(rules: readonly Rule[]): readonly CompiledRule[] {
  return rules
    .filter(({ pattern }) => pattern !== '')
    .map(({ verdict, pattern }) => ({ verdict, length: patternLength(pattern), matches: compilePattern(pattern) }))
    .sort((a, b) => b.length - a.length || Number(a.verdict === 'disallow') - Number(b.verdict === 'disallow'));
}

/** Who allows `/index.html` allows `/` (Google's parser). */
function directoryOf({ verdict, pattern }: Rule): Rule[] {
  const [, folder] = /^(.*\/)index\.htm[^/]*$/s.exec(pattern) ?? [];
  return verdict === 'allow' && folder !== undefined ? [{ verdict, pattern: `${folder}$` }] : [];
}
