// Pages that send their visitors on: by refreshes as the HTML standard reads them, and by a script that does nothing else.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { redirectOfPage, refreshLinks } from '#src/crawler/html/page-redirect.ts';
import type { RawPage } from '#src/crawler/html/raw-page.ts';
import { parseRefresh, soonestRefresh } from '#src/crawler/html/refresh.ts';
import { scriptRedirect } from '#src/crawler/html/script-redirect.ts';

const ITSELF = Symbol('the page itself');

describe('a refresh', () => {
  it.each<[content: string, delay: number | undefined, reference?: string | typeof ITSELF]>([
    ['0; url=/t', 0, '/t'],
    ['0;url=/t', 0, '/t'],
    ['0,url=/t', 0, '/t'],
    ['0 url=/t', 0, '/t'],
    ['  5\t;\n URL \r=  /t', 5, '/t'],
    ['0; URL=\n    /t', 0, '/t'],
    ["0;url='/t?a=b;c'", 0, '/t?a=b;c'],
    ['0;url="/t"trailing', 0, '/t'],
    [`0;url="/it's"`, 0, "/it's"],
    ["0;url=/t?q=it's", 0, "/t?q=it's"],
    ["0;url='/t", 0, '/t'],
    ['0; /t', 0, '/t'],
    ['0; "/t"', 0, '/t'],
    ['0 /t', 0, '/t'],
    ['0; url', 0, 'url'],
    ['0; url/t', 0, 'url/t'],
    ['0; ur=/t', 0, 'ur=/t'],
    ['0; u', 0, 'u'],
    ['0; urlurl=/t', 0, 'urlurl=/t'],
    ['0; url=url=/t', 0, 'url=/t'],
    ['1.9; url=/t', 1, '/t'],
    ['.5; url=/t', 0, '/t'],
    ['1..5.; url=/t', 1, '/t'],
    ['300', 300, ITSELF],
    ['0;', 0, ITSELF],
    ['0 ; ', 0, ITSELF],
    ['0; url=', 0, ''],
    ['0; url=""', 0, ''],
    // Browsers do nothing for these.
    ['', undefined],
    ['url=/t', undefined],
    ['; url=/t', undefined],
    ['-1; url=/t', undefined],
    ['+0; url=/t', undefined],
    ['0url=/t', undefined],
    ['0x; url=/t', undefined],
    ['5%; url=/t', undefined],
    ['\u00a00; url=/t', undefined],
  ])('%j', (content, delaySeconds, reference) => {
    const expected = reference === ITSELF ? { delaySeconds } : { delaySeconds, reference };
    expect(parseRefresh(content)).toEqual(delaySeconds === undefined ? undefined : expected);
  });

  it('of several is the soonest', () => {
    expect(soonestRefresh(['600', 'nonsense', '0;url=/a', '0;url=/b'])).toEqual({ delaySeconds: 0, reference: '/a' });
    expect(soonestRefresh([])).toBeUndefined();
  });

  it('is read whatever it holds', () => {
    const piece = fc.constantFrom('0', '9', '.', ';', ',', ' ', 'url', '=', '"', "'", '/t', '\n');
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const refresh = parseRefresh(pieces.join(''));
        expect(refresh === undefined || refresh.delaySeconds >= 0).toBe(true);
      }),
    );
  });
});

const page = (html: Script) =>
  scriptRedirect(`<!doctype html><html><head><title>x</title>${html}</head><body></body></html>`);
type Script = string;
const script = (code: string, attributes = '') => page(`<script${attributes}>${code}</script>`);

describe('the only script of a page', () => {
  it.each([
    [`location = '/t'`],
    [`location="/t";`],
    [`location.href = "/t"`],
    [`window.location = '/t'`],
    [`window.location.href='/t';`],
    [`document.location.href = '/t'`],
    [`self.location.replace('/t')`],
    [`location.assign( "/t" ) ;`],
    [`top . location . href = '/t'`],
    [`window.top.location = '/t'`],
    [`\n  // go on\n  location.replace("/t");\n`],
    [`/* moved */ location='/t'`],
    [`<!--\nlocation='/t'\n//-->`],
    [`//<![CDATA[\nlocation='/t';\n//]]>`],
    [`'use strict'; location='/t'`],
    [`location='\\/t'`],
    [`location="\\x2ft"`],
    [`location="\\u002Ft"`],
    [`setTimeout(function () { location.href = '/t'; }, 0)`],
    [`setTimeout(() => { location.href = '/t' }, 1000);`],
    [`setTimeout(() => location.replace('/t'), 500)`],
    [`setTimeout("location.href='/t'", 100)`],
    [`window.onload = function () { location.href = '/t'; };`],
    [`onload = () => { setTimeout("location='/t'", 0) }`.replace('setTimeout("location=\'/t\'", 0)', `location='/t'`)],
  ])('%s', (code) => {
    expect(script(code)).toBe('/t');
  });

  it.each([
    ['another statement', `var a = 1; location = '/t'`],
    ['a condition', `if (isOld) location = '/t'`],
    ['a part of the URL that is not known', `location = '/t?from=' + location.pathname`],
    ['a variable', `location = target`],
    ['only the fragment', `location.hash = '#x'`],
    ['the query', `location.search = '?x'`],
    ['a template', 'location = `/t`'],
    ['a function that is never called', `function go() { location = '/t' }`],
    ['a click', `document.onclick = function () { location = '/t' }`],
    ['a long wait', `setTimeout(function () { location = '/t' }, 5000)`],
    ['an escape of its own', `location = '/t\\n'`],
    ['a comparison', `location == '/t'`],
    ['another object', `my.location = '/t'`],
    ['a comment', `// location = '/t'`],
    ['nothing', `location = ''`],
  ])('is none with %s', (_, code) => {
    expect(script(code)).toBeUndefined();
  });

  it('is the only one', () => {
    expect(page(`<script>location='/t'</script><script>x()</script>`)).toBeUndefined();
    expect(page(`<script src=/app.js></script><script>location='/t'</script>`)).toBeUndefined();
    expect(script(`location='/t'`, ' src=/x.js')).toBeUndefined();
    expect(script(`location='/t'`, ' type="application/json"')).toBeUndefined();
    expect(script(`location='/t'`, ' type="text/javascript"')).toBe('/t');
    expect(script(`location='/t'`, ' language=JavaScript')).toBe('/t');
    expect(scriptRedirect(`<script>location='/t'</script>${'x'.repeat(10_000)}`)).toBeUndefined();
    expect(scriptRedirect(`<!-- <script>a</script> --><script>location='/t'</script>`)).toBeUndefined();
    expect(scriptRedirect(`<p>the location of <script>'s`)).toBeUndefined();
  });

  it('may stand at the body', () => {
    expect(scriptRedirect(`<body onload="location.href='/t'">`)).toBe('/t');
    expect(scriptRedirect(`<body class=x onload='location.replace(&quot;/t?a=1&amp;b=2&quot;)'>`)).toBe('/t?a=1&b=2');
    expect(scriptRedirect(`<body onload="start()">location`)).toBeUndefined();
  });
});

describe('a page that is left', () => {
  const read = (parts: Partial<RawPage>) =>
    ({ refreshes: [], beginning: 'Moved', links: [], isEmpty: false, ...parts }) as unknown as RawPage;
  const article = { beginning: 'x'.repeat(900), links: Array.from({ length: 20 }, () => '/a') };
  const redirect = (parts: Partial<RawPage>, refreshHeaders: string[] = [], code?: string) =>
    redirectOfPage(read(parts), { refreshHeaders, script: code });

  it.each<[string, Partial<RawPage>, string | undefined]>([
    ['at once', { refreshes: ['0;url=/t'] }, '/t'],
    ['at once, for a file', { refreshes: ['0;url=/files/a.zip'] }, '/files/a.zip'],
    ['at once, with much to read', { refreshes: ['1;url=/t'], ...article }, undefined],
    ['at once, with links to other pages', { refreshes: ['0;url=/t'], links: ['/a', '/b', '/c', '/d'] }, undefined],
    ['soon, with little to read', { refreshes: ['5;url=/t'] }, '/t'],
    ['soon, with much to read', { refreshes: ['5;url=/t'], ...article }, undefined],
    ['late', { refreshes: ['60;url=/t'] }, undefined],
    ['for itself', { refreshes: ['300'] }, undefined],
    ['for itself at once', { refreshes: ['0'] }, undefined],
    ['for itself at once, showing nothing', { refreshes: ['0'], beginning: '', isEmpty: true }, ''],
    ['for a download', { refreshes: ['5;url=/files/a.zip'] }, undefined],
    ['for a page with an extension', { refreshes: ['5;url=/index.php?a=b.zip'] }, '/index.php?a=b.zip'],
    ['for a script', { refreshes: ['0;url=javascript:go()'] }, undefined],
  ])('%s', (_, parts, expected) => {
    expect(redirect(parts)).toBe(expected);
  });

  it('by a header, or a script', () => {
    expect(redirect({}, ['0;url=/header'])).toBe('/header');
    expect(redirect({ refreshes: ['300;url=/meta'] }, [], '/script')).toBe('/script');
    expect(redirect(article, [], '/script')).toBeUndefined();
  });

  it('links to where it refreshes, if it is none', () => {
    expect(refreshLinks(read({ refreshes: ['60; url=/a', '5', 'x', '9;url=/b'] }), ['99;url=/h'])).toEqual([
      '/h',
      '/a',
      '/b',
    ]);
  });
});
