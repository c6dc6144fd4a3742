// robots.txt by RFC 9309.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileRules, productToken, rulesFromResponse, sitemapsOf } from '#src/crawler/discovery/robots.ts';

const AGENT = 'Trawler/0.1 (+https://trawler.dev)';
const allowed = (body: string, path: string, status = 200, agent = AGENT) =>
  compileRules(rulesFromResponse(status, body, agent), 'http://a.example', agent)(new URL(path, 'http://a.example'));

describe('robots.txt by its status', () => {
  it.each([
    [404, 'allow'],
    [403, 'allow'],
    [301, 'allow'],
    [429, 'disallow'],
    [500, 'disallow'],
    [503, 'disallow'],
  ])('%i means %s', (status, verdict) => {
    expect(rulesFromResponse(status, 'User-agent: *\nDisallow: /', AGENT).verdict).toBe(verdict);
    expect(allowed('', '/x', status)).toBe(verdict === 'allow');
  });
});

describe('robots.txt rules', () => {
  it.each([
    ['User-agent: *\nDisallow: /private/', '/private/x', false],
    ['User-agent: *\nDisallow: /private/', '/public', true],
    ['User-agent: *\nDisallow: /\nAllow: /open', '/open/x', true],
    ['User-agent: *\nDisallow: /*.pdf$', '/a/b.pdf', false],
    ['User-agent: *\nDisallow: /*.pdf$', '/a/b.pdf?x', true],
    ['User-agent: other\nDisallow: /\n\nUser-agent: *\nDisallow:', '/x', true],
    ['User-agent: TRAWLER\nDisallow: /\n\nUser-agent: *\nDisallow:', '/x', false],
    ['User-agent: trawler\nDisallow:\n\nUser-agent: *\nDisallow: /', '/x', true],
    ['User-agent: a\nUser-agent: trawler\nDisallow: /x', '/x', false],
    ['\ufeffnonsense\nUser-agent *\nDisallow /', '/x', true],
    ['User-agent: *\nDisallow: /a%C3%A9', '/aé', false],
    ['', '/x', true],
  ])('%j, %s: %s', (body, path, expected) => {
    expect(allowed(body, path)).toBe(expected);
  });

  it('takes the first word of the user agent for its group', () => {
    expect(productToken('Trawler/0.1 (+https://trawler.dev)')).toBe('trawler');
    expect(productToken('MyBot')).toBe('mybot');
    expect(allowed('User-agent: mybot\nDisallow: /', '/x', 200, 'MyBot 2.0')).toBe(false);
  });

  it('reads a crawl-delay in milliseconds and bounds it', () => {
    const delay = (text: string) => rulesFromResponse(200, `User-agent: *\nCrawl-delay: ${text}`, AGENT).crawlDelayMs;
    expect(delay('1.5')).toBe(1_500);
    expect(delay('86400')).toBe(60_000);
    expect(delay('soon')).toBeUndefined();
    expect(delay('-1')).toBeUndefined();
  });

  it('drops lines that no URL could match but that would cost time', () => {
    const rules = rulesFromResponse(200, `User-agent: *\nDisallow: /${'*a'.repeat(5_000)}\nDisallow: /x`, AGENT);
    expect(rules.body).toBe('User-agent: *\nDisallow: /x');
  });

  it('drops lines with more wildcards than any site needs, and wildcards beyond those of all lines together', () => {
    const rule = (wildcards: number) => `Disallow: /${'*a'.repeat(wildcards)}`;
    const kept = (lines: readonly string[]) => rulesFromResponse(200, lines.join('\n'), AGENT).body?.split('\n').length;
    expect(kept([rule(10), rule(11), rule(1_000)])).toBe(1);
    expect(kept([...Array.from({ length: 300 }, () => rule(10)), 'Disallow: /x'])).toBe(201);
  });

  it('of anything at all are read, and say yes or no', () => {
    const line = fc.oneof(
      fc.constantFrom(
        'User-agent: *',
        'Disallow: /',
        'Allow: /*$',
        'Crawl-delay: 1e999',
        'Sitemap:',
        'Sitemap: http://',
      ),
      fc.string(),
      fc.tuple(fc.constantFrom('Disallow: ', 'Allow: '), fc.string()).map((parts) => parts.join('')),
      fc.stringMatching(/^Disallow: [/*$%a]{0,30}$/),
    );
    fc.assert(
      fc.property(fc.array(line), fc.webUrl({ withQueryParameters: true }), (lines, url) => {
        const rules = rulesFromResponse(200, lines.join('\n'), AGENT);
        const { origin } = new URL(url);
        expect(typeof compileRules(rules, origin, AGENT)(new URL(url))).toBe('boolean');
        expect(sitemapsOf(rules).length).toBeLessThanOrEqual(lines.length);
        expect(rules.crawlDelayMs ?? 0).toBeLessThanOrEqual(60_000);
      }),
    );
  });

  it('name sitemaps for every crawler, in any group', () => {
    const body = 'Sitemap: http://a/1\nUser-agent: other\nSITEMAP : /2\n# Sitemap: /3\nSitemap:\nDisallow: /';
    expect(sitemapsOf({ verdict: 'rules', body })).toEqual(['http://a/1', '/2']);
    expect(sitemapsOf({ verdict: 'allow' })).toEqual([]);
  });
});
