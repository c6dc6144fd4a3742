// What is a page and what is none: answers of every kind, the same in both render modes and as Chromium shows them.
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBrowserRenderer } from '#src/crawler/browser/browser-renderer.ts';
import { findChromium } from '#src/crawler/browser/chromium.ts';
import { createExtraction } from '#src/crawler/extraction/extraction.ts';
import { createHttpClient } from '#src/crawler/http/http-client.ts';
import { createHttpRenderer } from '#src/crawler/http/http-renderer.ts';
import type { Rendered, Renderer } from '#src/crawler/rendering/renderer.ts';
import { createLogger } from '#src/telemetry/logger.ts';
import { type Answer, browserDefaults, guardAllowing, startSite, type TestSite } from './site.ts';

const HTML = '<!doctype html><title>t</title><h1>Ready</h1><a href="/l">l</a>';
const XHTML = `<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>t</title></head>
  <body><h1>Ready</h1><a href="/l">l</a></body></html>`;
const BROKEN_XHTML = XHTML.replace('</body>', '<br><p>&nbsp;</body>');
const FEED = '<?xml version="1.0"?><rss><channel><title>t</title></channel></rss>';
const MUCH = `<h1>Ready</h1><a href="/l">l</a><p>${'lorem ipsum '.repeat(60)}</p>`;

/** Sent as it stands: header lines, then the body. */
const raw =
  (head: string, body: string | Buffer = HTML, status = '200 OK'): Answer =>
  ({ socket }) => {
    socket.write(Buffer.from(`HTTP/1.1 ${status}\r\nConnection: close\r\n${head}${head && '\r\n'}\r\n`, 'latin1'));
    socket.end(body);
  };
const typed = (type: string, body: string | Buffer = HTML) => raw(`Content-Type: ${type}`, body);
const refresh = (content: string, body: string) =>
  typed('text/html', `<title>t</title><meta http-equiv=refresh content="${content}">${body}`);

/** Headers that Chromium by itself takes for something else, or for a file to be saved. */
const ODD_TYPES = [
  '"text/html"',
  '"text/html; charset=utf-8"',
  'text/',
  '/html',
  'text/ html',
  'text /html',
  'text\\html',
  'text/html/xml',
  'text/html:charset=utf-8',
  'text/html=utf-8',
  'Content-Type: text/html',
  'text/html(comment)',
  'text/html; charset="utf-8',
  '; charset=utf-8',
  'null',
  'text/plain, text/html',
];
const XML_TYPES = [
  ...['application/foo+xml', 'application/vnd.wap.xhtml+xml', 'application/rss+xml', 'application/atom+xml'],
  ...['application/rdf+xml', 'text/foo+xml', 'image/svg+xml', 'APPLICATION/XHTML+XML; profile=x'],
];

const PAGES: Record<string, Answer> = {
  ...Object.fromEntries(ODD_TYPES.map((type) => [`the type ${type}`, typed(type)])),
  ...Object.fromEntries(XML_TYPES.map((type) => [`XHTML as ${type}`, typed(type, XHTML)])),
  'an odd type and a packed body': raw('Content-Type: "text/html"\r\nContent-Encoding: gzip', gzipSync(HTML)),
  'an odd type of an attachment': raw('Content-Type: "text/html"\r\nContent-Disposition: attachment'),
  'XHTML that is not well formed': typed('application/xhtml+xml', BROKEN_XHTML),
  'HTML as XHTML': typed('application/xhtml+xml', HTML),
  'XHTML that is not well formed, of an odd type': typed(
    'application/foo+xml',
    XHTML.replace('</body>', '<br></body>'),
  ),
  'no type, but another value before the ban on guessing': raw('X-Content-Type-Options: x, nosniff'),
  'no type, and something that is no ban on guessing': raw('X-Content-Type-Options: nosniff;'),
  'a type named twice in a line': typed('text/html,text/html'),
  'a parameter behind a comma': typed('text/html,charset=utf-8'),
  'a parameter behind a blank': typed('text/html charset=utf-8'),
  'two semicolons': typed('text/html;;charset=utf-8'),
  'capital letters': typed('TEXT/HTML'),
  'two lines': raw('Content-Type: text/html\r\nContent-Type: text/html; charset=utf-8'),
  'two lines, the last of which counts': raw('Content-Type: text/plain\r\nContent-Type: text/html'),
  'an empty type': typed(''),
  'no type': raw(''),
  'no type, behind a comment': raw('', `<!-- x -->${HTML}`),
  'no type, XHTML': raw('', XHTML),
  'an unknown type': typed('unknown/unknown'),
  'an unknown application': typed('application/unknown'),
  'a type that is none': typed('html'),
  'any type': typed('*/*'),
  XHTML: typed('application/xhtml+xml', XHTML),
  'XHTML as XML': typed('application/xml', XHTML),
  'XHTML as XML text': typed('text/xml', XHTML),
  'an attachment': raw('Content-Type: text/html\r\nContent-Disposition: attachment; filename=a.html'),
  'an attachment without a type': raw('Content-Disposition: attachment'),
  'a choice': raw('Content-Type: text/html', HTML, '300 Multiple Choices'),
  'a redirect without a target': raw('Content-Type: text/html', HTML, '301 Moved Permanently'),
  'a redirect with an empty target': raw('Content-Type: text/html\r\nLocation:', HTML, '302 Found'),
  'a part': raw('Content-Type: text/html', HTML, '206 Partial Content'),
  'a status that nobody knows': raw('Content-Type: text/html', HTML, '299 Odd'),
  'a refresh of a page that says much': refresh('0;url=/elsewhere', MUCH),
  'a refresh to a place within the page': refresh('0;url=#there', MUCH),
};

const NO_PAGES: Record<string, Answer> = {
  text: typed('text/plain'),
  JSON: typed('application/json', '{}'),
  bytes: typed('application/octet-stream'),
  'a picture': typed('image/jpeg', 'x'),
  'an SVG': typed('image/svg+xml', '<svg xmlns="http://www.w3.org/2000/svg"><title>s</title></svg>'),
  'a PDF': typed('application/pdf', '%PDF-1.4'),
  'a feed as XML': typed('text/xml', FEED),
  'a feed': typed('application/rss+xml', FEED),
  'HTML as XML without a namespace': typed('text/xml', '<html><head><title>t</title></head></html>'),
  'text without a type': raw('', 'hello world'),
  'a picture without a type': raw('', Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex')),
  'a PDF without a type': raw('', '%PDF-1.4 x'),
  'an archive without a type': raw('', Buffer.from('504b0304000000', 'hex')),
  'nothing without a type': raw('', ''),
  'HTML without a type that is not to be guessed': raw('X-Content-Type-Options: nosniff'),
  'a feed as a feed of the other kind': typed('application/atom+xml', FEED),
  'a feed as XML of an unknown kind': typed('application/foo+xml', FEED),
  'HTML as XML': typed('application/xml', HTML),
  'XML that is not well formed': typed('text/xml', FEED.replace('</title>', '')),
  'XML that is not well formed, as a picture': typed(
    'image/svg+xml',
    '<svg xmlns="http://www.w3.org/2000/svg"><p></svg>',
  ),
  'text of an odd type': typed('"text/html"', 'hello'),
  'an odd type that is not to be guessed': raw('Content-Type: "text/html"\r\nX-Content-Type-Options: nosniff'),
  'any kind of text': typed('text/*'),
  'a type that is nearly HTML': typed('text/x-html'),
  'no content': raw('', '', '204 No Content'),
  'no content, with a form to be emptied': raw('Content-Length: 0', '', '205 Reset Content'),
};

const REDIRECTS: Record<string, readonly [Answer, to: string]> = {
  'to bytes that are not UTF-8': [raw('Location: /t-caf\xe9', '', '302 Found'), '/t-caf%E9'],
  'to bytes that are UTF-8': [raw('Location: /t-\xc3\xa9', '', '302 Found'), '/t-%C3%A9'],
  'to a blank': [raw('Location: /a b', '', '302 Found'), '/a%20b'],
  'to itself': [raw('Location: ?', '', '307 Temporary Redirect'), ''],
  'by a refresh': [refresh('0;url=/t', ''), '/t'],
  'by a refresh in a header': [raw('Content-Type: text/html\r\nRefresh: 0; url=/t', '<p>'), '/t'],
};

const FAILURES: Record<string, readonly [Answer, cause: string]> = {
  'an odd type of a body that breaks off': [
    raw('Content-Type: "text/html"\r\nContent-Length: 5000'),
    'ConnectionError',
  ],
  'an odd type of a body without an end': [
    raw('Content-Type: "text/html"', `${HTML}${'x'.repeat(17 << 20)}`),
    'TooLarge',
  ],
  'an odd type of an error page': [raw('Content-Type: "text/html"', HTML, '404 Not Found'), 'HttpError'],
  'an odd type of a refusal': [raw('Content-Type: "text/html"', HTML, '403 Forbidden'), 'HttpError'],
  'a target that is no URL': [raw('Location: http://[bad', '', '302 Found'), 'InvalidUrl'],
  'a script as a target': [raw('Location: javascript:alert(1)', '', '302 Found'), 'InvalidUrl'],
  'data as a target': [raw('Location: data:text/html,x', '', '302 Found'), 'InvalidUrl'],
  'no change since a version that nobody has': [raw('', '', '304 Not Modified'), 'HttpError'],
};

const cyrillic = (xhtml: string) =>
  Buffer.concat([
    Buffer.from(xhtml.slice(0, xhtml.indexOf('t</title>'))),
    CYRILLIC,
    Buffer.from(xhtml.slice(xhtml.indexOf('</title>'))),
  ]);
const CYRILLIC = Buffer.from('cff0e8e2e5f2', 'hex');

const ENCODINGS: readonly (readonly [string, readonly [Answer, title: string]])[] = [
  ['UTF-8 that nothing names', [typed('text/html', '<title>Прайс-лист</title>'), 'Прайс-лист']],
  ['UTF-8 in quotes that are no quotes', [typed("text/html; charset='utf-8'", '<title>café</title>'), 'café']],
  ['UTF-8 with a quote too many', [typed('text/html; charset=utf-8"', '<title>café</title>'), 'café']],
  ['UTF-8 by a label that nobody knows', [typed('text/html; charset=x', '<title>café</title>'), 'café']],
  ['XML of an odd type', [typed('application/foo+xml; charset=windows-1251', cyrillic(XHTML)), 'Привет']],
  ['XML with an error', [typed('application/xhtml+xml; charset=windows-1251', cyrillic(BROKEN_XHTML)), 'Привет']],
];

const pathOf = (name: string) => `/${encodeURIComponent(name)}`;
const { plan } = createExtraction(undefined);
const renderers = new Map<string, Renderer>();
let site: TestSite;
let close: () => Promise<void>;

beforeAll(async () => {
  const answers = {
    ...PAGES,
    ...NO_PAGES,
    ...withoutExpectation(REDIRECTS),
    ...withoutExpectation(FAILURES),
    ...withoutExpectation(Object.fromEntries(ENCODINGS)),
  };
  site = await startSite({
    ...Object.fromEntries(Object.entries(answers).map(([name, answer]) => [pathOf(name), answer])),
    '/elsewhere': typed('text/html'),
    '/t': typed('text/html'),
  });
  const guard = guardAllowing(`127.0.0.1:${site.port}`);
  const userAgent = 'Tester/1.0';
  const client = createHttpClient({ guard, userAgent, connections: 2 });
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error('Chromium is not installed');
  const log = createLogger('test', 'fatal');
  renderers.set('HTTP', createHttpRenderer(client));
  renderers.set('Browser', await createBrowserRenderer({ ...browserDefaults, executablePath, guard, userAgent, log }));
  close = client.close;
});

afterAll(async () => {
  for (const renderer of renderers.values()) await renderer.close();
  await close();
  await site[Symbol.asyncDispose]();
});

function withoutExpectation(answers: Record<string, readonly [Answer, string]>): Record<string, Answer> {
  return Object.fromEntries(Object.entries(answers).map(([name, [answer]]) => [name, answer]));
}

describe.each(['HTTP', 'Browser'])('by %s', (mode) => {
  async function render(name: string): Promise<Rendered> {
    const renderer = renderers.get(mode);
    if (renderer === undefined) throw new Error(`no renderer ${mode}`);
    const visit = { mayAsk: async () => true };
    const { signal } = new AbortController();
    return renderer
      .render(site.url(pathOf(name)), plan, 20_000, signal, undefined, visit)
      .finally(() => renderer.leave?.(visit));
  }

  it.each(Object.keys(PAGES))('a page: %s', async (name) => {
    const result = await render(name);
    expect(result).toMatchObject({ type: 'page', page: { title: 't', heading: 'Ready' } });
    expect(result.type === 'page' && result.page.links[0]).toBe('/l');
  });

  it.each(Object.keys(NO_PAGES))('none: %s', async (name) => {
    expect(await render(name)).toMatchObject({ type: 'notHtml' });
  });

  it.each(Object.entries(REDIRECTS))('a redirect %s', async (name, [, to]) => {
    const result = await render(name);
    expect(result.type === 'redirect' && result.to.pathname).toBe(to === '' ? pathOf(name) : to);
  });

  it.each(Object.entries(FAILURES))('a failure: %s', async (name, [, cause]) => {
    expect(await render(name)).toMatchObject({ type: 'failed', failure: { cause } });
  });

  it.each(ENCODINGS)('text: %s', async (name, [, title]) => {
    const result = await render(name);
    expect(result.type === 'page' && result.page.title).toBe(title);
  });
});
