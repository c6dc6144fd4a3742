// What an answer with a document comes to by HTTP: bytes and headers in, a page or a redirect out.
import iconv from 'iconv-lite';
import { describe, expect, it } from 'vitest';
import { createExtraction } from '#src/crawler/extraction/extraction.ts';
import { NEXT_BY_RELATION } from '#src/crawler/html/next-page.ts';
import type { PagePlan } from '#src/crawler/html/page-plan.ts';
import { createHttpRenderer } from '#src/crawler/http/http-renderer.ts';
import { responseHeaders } from '#src/crawler/http/response-headers.ts';

const never = new AbortController().signal;
const { plan } = createExtraction(undefined);
const AT = new URL('http://site.example/dir/page');

type Headers = Record<string, string | string[]>;

/** What a server's answer comes to. */
function rendered(body: string | Buffer, headers: Headers = {}, more: Partial<PagePlan> = {}) {
  const received = responseHeaders({ 'content-type': 'text/html', ...headers } as never);
  const bytes = Buffer.from(body as string);
  const renderer = createHttpRenderer({
    get: async () => ({ status: 200, headers: received, body: bytes }),
    close: async () => {},
  });
  return renderer.render(AT, { ...plan, ...more }, 60_000, never);
}

/** Where an answer leads; its type when it is no redirect. */
async function redirectTo(body: string | Buffer, headers: Headers = {}): Promise<string> {
  const answer = await rendered(body, headers);
  return answer.type === 'redirect' ? answer.to.href : answer.type;
}

describe('a page', () => {
  const titleOf = async (body: string | Buffer, headers: Headers = {}) => {
    const answer = await rendered(body, headers);
    return answer.type === 'page' ? answer.page.title : answer.type;
  };
  const linksOf = async (body: string) => {
    const answer = await rendered(body);
    return answer.type === 'page' ? answer.page.links : answer.type;
  };

  it.each([
    ['<svg><title>Logo</title></svg><title>Shop</title>', 'Shop'],
    ['<svg><g><title>Logo</title></g></svg><p>text', ''],
    ['<svg><foreignObject><title>Inner</title></foreignObject></svg>', ''],
    ['<textarea><title>no</title></textarea><title>Shop</title>', 'Shop'],
    ['<title>a\rb\r\nc</title>', 'a b c'],
    ['a\0<title>x\0y</title>', 'x\ufffdy'],
    ['<title>open', 'open'],
  ])('%j has the title %j', async (html, title) => {
    expect(await titleOf(html)).toBe(title);
  });

  it.each([
    [
      '<svg><a xlink:href="/x"><text>x</text></a><a href="/y" xlink:href="/no"></a></svg><a href=/z>',
      ['/y', '/z', '/x'],
    ],
    ['<a xlink:href="/no">x</a><a href=/1 href=/2>', ['/1']],
    ['<template><a href=/t></a></template><a href=/u></a>', ['/u']],
    ['<a href="/?a=1&amp;b=2&copy=3&lt=4">', ['/?a=1&b=2&copy=3&lt=4']],
    ['<a href=/1>x<a href=/2>y</a></a>', ['/1', '/2']],
  ])('%j has the links %j', async (html, links) => {
    expect(await linksOf(html)).toEqual(links);
  });

  it.each(['application/xhtml+xml', 'application/xml'])('whose elements have a prefix is read as %s', async (type) => {
    const html = `<?xml version="1.0"?><h:html xmlns:h="http://www.w3.org/1999/xhtml"><h:head>
      <h:title>x</h:title></h:head><h:body><h:a href="/a">y</h:a></h:body></h:html>`;
    expect(await rendered(html, { 'content-type': type })).toMatchObject({
      type: 'page',
      page: { title: 'x', links: ['/a'] },
    });
  });

  it.each([
    ['日本', 'shift_jis', 'text/html; charset=x-sjis'],
    ['Привет', 'windows-1251', 'text/html; charset=windows-1251; charset=utf-8'],
    ['Привет', 'windows-1251', 'text/html; charset=windows-1251;'],
    ['한국', 'euc-kr', 'text/html; charset=ks_c_5601-1987'],
    ['ไทย', 'windows-874', 'text/html; charset=tis-620'],
    ['é', 'utf-16le', 'text/html; charset=utf-16'],
    ['é', 'utf8', ''],
    ['é', 'utf8', 'html'],
  ])('titled %s in %s is read with the type %j', async (title, encoding, contentType) => {
    expect(
      await titleOf(iconv.encode(`<html><title>${title}</title>`, encoding), { 'content-type': contentType }),
    ).toBe(title);
  });
});

describe('on a page in windows-1251 the query is in its encoding', () => {
  const russian = (html: string) => iconv.encode(`<meta charset=windows-1251>${html}`, 'windows-1251');
  const TEXT = 'слово '.repeat(100);

  it.each([
    ['of a <meta> refresh', '<meta http-equiv=refresh content="0; url=/s?q=слон">', {}],
    ['of a quoted <meta> refresh', `<meta http-equiv=refresh content="0; url='/s?q=слон'">`, {}],
    ['of a script', `<script>location = '/s?q=слон'</script>`, {}],
  ])('%s', async (_, html, headers) => {
    expect(await redirectTo(russian(html), headers)).toBe('http://site.example/s?q=%F1%EB%EE%ED');
  });

  it('of a Refresh header, whose bytes are one character each', async () => {
    expect(await redirectTo(russian(''), { refresh: '0; url=/s?q=\xe9' })).toBe('http://site.example/s?q=%26%23233%3B');
  });

  it('of a late refresh, which is a link, of frames, and of the base', async () => {
    const html = `<base href="/b?q=я"><meta http-equiv=refresh content="600; url=/s?q=я"><iframe src="/f?q=я"></iframe>${TEXT}`;
    expect(await rendered(russian(html))).toMatchObject({
      type: 'page',
      page: { base: '/b?q=%FF', links: ['/s?q=%FF'], frames: ['/f?q=%FF'] },
    });
  });
});

describe('the next page of a listing', () => {
  const link = '</list?page=2>; rel="next"';
  const next = async (body: string, headers: Headers, selector: string | null) => {
    const answer = await rendered(body, headers, { next: selector });
    return answer.type === 'page' ? answer.page.next : answer.type;
  };

  it.each([
    ['is that of a Link header', '<p>list', { link }, 'http://site.example/list?page=2'],
    [
      'is that of the second Link header',
      '<p>list',
      { link: ['</a>; rel=prev', link] },
      'http://site.example/list?page=2',
    ],
    [
      'is relative to the page, whatever its base',
      '<base href=/x/><p>list',
      { link: '<?page=2>; rel=next' },
      'http://site.example/dir/page?page=2',
    ],
    ['is that of <link>, which comes first', '<link rel=next href=/own><p>list', { link }, '/own'],
    ['is none without a relation', '<p>list', { link: '</list?page=2>; rel=prev' }, null],
  ])('%s', async (_, body, headers, expected) => {
    expect(await next(body, headers, NEXT_BY_RELATION)).toBe(expected);
  });

  it('is not that of a header where it is not looked for, or looked for by a selector', async () => {
    expect(await next('<p>list', { link }, null)).toBeNull();
    expect(await next('<p>list', { link }, 'li.next')).toBeNull();
  });
});
