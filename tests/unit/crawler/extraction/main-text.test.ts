// The main text of pages, as Markdown.
import { describe, expect, it } from 'vitest';
import { mainText } from '#src/crawler/extraction/main-text.ts';

const URL_OF_PAGE = 'https://news.example/2026/nets/';
const sentence = 'Nets are made for calm water, and floats keep them up, as everybody knows. ';
const paragraph = `<p>${sentence.repeat(5)}</p>`;

const ARTICLE = `<!doctype html><html><head><title>Nets</title></head><body>
  <nav><ul><li><a href=/>Home</a><li><a href=/news>News</a></ul></nav>
  <article><h1>Nets</h1>${paragraph}<h2>How they are <em>made</em></h2>${paragraph}
  <ul><li>hemp<li>cotton</ul><pre><code>tie(knot);
pull();</code></pre><p>See <a href="../ropes?x=1">ropes</a>. ${sentence}</p><img src=/net.png alt="A net">${paragraph}</article>
  <footer>Imprint, cookies and all the rest</footer><script>track()</script></body></html>`;

describe('the main text', () => {
  it('is the article as Markdown, with absolute addresses, and without what is around it', () => {
    const text = mainText(ARTICLE, URL_OF_PAGE).text ?? '';
    expect(text).toContain('## How they are _made_\n\nNets are made');
    expect(text).toMatch(/-\s+hemp\n-\s+cotton/);
    expect(text).toContain('```\ntie(knot);\npull();\n```');
    expect(text).toContain('See [ropes](https://news.example/2026/ropes?x=1).');
    expect(text).toContain('![A net](https://news.example/net.png)');
    expect(text).not.toMatch(/Home|Imprint|track/);
  });

  it('resolves addresses against the base of the page', () => {
    const html = `<base href="//cdn.example/a/"><article>${paragraph.repeat(3)}<p><a href=b>${sentence}</a></p></article>`;
    expect(mainText(html, URL_OF_PAGE).text).toContain('](https://cdn.example/a/b)');
  });

  it('is the same of a page as it is sent and as a browser writes it', () => {
    const sent = `<title>Nets</title><article><h1>Nets</h1>${paragraph.repeat(4)}</article>`;
    const written = `<html><head><title>Nets</title></head><body><article><h1>Nets</h1>${paragraph.repeat(4)}</article></body></html>`;
    expect(mainText(sent, URL_OF_PAGE)).toEqual(mainText(written, URL_OF_PAGE));
    expect(mainText(sent, URL_OF_PAGE).text).toContain('Nets are made');
  });

  it.each([
    ['nothing', ''],
    ['an empty shell', '<html><body><div id=root></div></body></html>'],
    ['a script alone', '<script>document.write("x")</script>'],
    ['more elements than anybody reads', `<article>${'<p>x</p>'.repeat(30_000)}</article>`],
    ['deeper nesting than a browser has', `${'<div>'.repeat(5_000)}${sentence.repeat(20)}`],
  ])('of %s is none', (_what, html) => {
    expect(mainText(html, URL_OF_PAGE).text).toBeNull();
  });

  it.each([
    ['the article alone', ARTICLE, false],
    ['no article', '', false],
    ['a long article', `<article>${paragraph.repeat(300)}</article>`, true],
    ['an article in a long document', `${ARTICLE}<!--${'x'.repeat(500_000)}-->`, true],
    ['too many elements', `<article>${'<p>x</p>'.repeat(30_000)}</article>`, true],
  ])('of %s says whether it is cut', (_what, html, isCut) => {
    expect(mainText(html, URL_OF_PAGE).isCut).toBe(isCut);
  });

  it('is bounded', () => {
    const { text, isCut } = mainText(`<article>${paragraph.repeat(1_000)}</article>`, URL_OF_PAGE);
    expect([text?.length, isCut]).toEqual([100_000, true]);
  });
});
