// What an answer with a document comes to by HTTP: bytes and headers in, a page or a redirect out.
import iconv from 'iconv-lite';
import { describe, expect, it } from 'vitest';
import { createExtraction } from '#src/crawler/extraction/extraction.ts';
import { NEXT_BY_RELATION } from '#src/crawler/html/next-page.ts';
import type { PagePlan } from '#src/crawler/html/read-page.ts';
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
