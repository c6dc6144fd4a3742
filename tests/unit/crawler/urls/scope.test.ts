// Scope: which links belong to a source.
import { describe, expect, it } from 'vitest';
import { createScope } from '#src/crawler/urls/scope.ts';
import { crawlRunSpec } from '#src/resources/crawl-run.ts';

function scopeOf(urls: string[], scope: Record<string, unknown>) {
  const spec = crawlRunSpec.parse({ sources: [{ name: 'site', urls, scope }] });
  const [source] = spec.sources;
  if (source === undefined) throw new Error('no source');
  return createScope(source);
}

const follows = (urls: string[], scope: Record<string, unknown>, url: string) =>
  scopeOf(urls, scope).followsLink(new URL(url));

describe('scope modes', () => {
  it.each([
    ['Page', 'https://a.example/x/', 'https://a.example/x/', false],
    ['Prefix', 'https://a.example/docs/index.html', 'https://a.example/docs/next/page', true],
    ['Prefix', 'https://a.example/docs/index.html', 'http://www.a.example/docs/', true],
    ['Prefix', 'https://a.example/docs/index.html', 'https://a.example/documents/', false],
    ['Prefix', 'https://a.example/docs', 'https://a.example/other', true],
    ['Prefix', 'https://a.example/docs/a/', 'https://a.example/docs/b', false],
    ['Prefix', 'https://a.example/docs/', 'https://b.example/docs/', false],
    ['Host', 'https://a.example/x/y', 'https://a.example/', true],
    ['Host', 'https://a.example/', 'http://www.a.example/', true],
    ['Host', 'https://a.example/', 'https://shop.a.example/', false],
    ['Host', 'http://a.example:8080/', 'http://a.example:8081/', false],
    ['Domain', 'https://www.shop.co.uk/', 'https://blog.shop.co.uk/', true],
    ['Domain', 'https://www.shop.co.uk/', 'https://other.co.uk/', false],
    ['Domain', 'https://alice.github.io/', 'https://bob.github.io/', false],
    ['Domain', 'http://10.0.0.1/', 'http://10.0.0.2/', false],
    ['Domain', 'http://web.demo.svc/', 'http://web.demo.svc/a', true],
    ['Domain', 'http://localhost/', 'http://localhost/a', true],
    ['Any', 'https://a.example/', 'https://z.test/', true],
  ])('%s from %s to %s: %s', (mode, seed, url, expected) => {
    expect(follows([seed], { mode }, url)).toBe(expected);
  });

  it('lets a start URL of mode Page move within its host, and nowhere else', () => {
    const scope = scopeOf(['http://a.example/old'], { mode: 'Page' });
    expect(scope.followsRedirect(new URL('https://www.a.example/new'))).toBe(true);
    expect(scope.followsRedirect(new URL('https://b.example/new'))).toBe(false);
  });
});

describe('include and exclude', () => {
  const seeds = ['https://a.example/'];
  it.each([
    [{ include: ['**/docs/**'] }, 'https://a.example/docs/x', true],
    [{ include: ['**/docs/**'] }, 'https://a.example/blog/x', false],
    [{ include: ['https://a.example/*'] }, 'https://a.example/x', true],
    [{ include: ['https://a.example/*'] }, 'https://a.example/x/y', false],
    [{ exclude: ['**/*.pdf'] }, 'https://a.example/x/y.pdf', false],
    [{ exclude: ['**/*session=*'] }, 'https://a.example/list?session=1', false],
    [{ include: ['**'], exclude: ['**/.git/**'] }, 'https://a.example/.git/config', false],
    [{ include: ['**/{a,b}/**'] }, 'https://a.example/b/c', true],
  ])('%j and %s: %s', (patterns, url, expected) => {
    expect(follows(seeds, { mode: 'Host', ...patterns }, url)).toBe(expected);
  });
});
