import { describe, expect, it, test } from 'vitest';
import { createExtraction } from '#src/crawler/extraction/extraction.ts';
import { showsPage } from '#src/crawler/html/embedded-pages.ts';
import { readHtml } from '#src/crawler/html/html-page.ts';
import { crawlRunSpec } from '#src/resources/crawl-run.ts';

test.each<[string | null, string, boolean]>([
  ['text/html', '/x.swf', true],
  [' Text/HTML; charset=utf-8', '/x', true],
  ['application/xhtml+xml', '/x', true],
  ['application/pdf', '/x.html', false],
  ['image/svg+xml', '/x.html', false],
  [null, '/x.html', true],
  ['', 'part.HTM?a=b', true],
  [null, 'x.xhtml#part', true],
  [null, '/x', false],
  [null, '/x.pdf', false],
  [null, '/show?file=x.html', false],
  [null, '', false],
])('an object of the type %j with %j shows a page: %j', (type, address, expected) => {
  expect(showsPage(type, address)).toBe(expected);
});

describe('a page that is read by HTTP', () => {
  it('names what its frames, objects and embeds show', () => {
    const html = `<iframe src=/a></iframe><object data=/b type=text/html></object><embed src=/c.html>
      <object data=/d.swf></object><embed src=/e type=video/mp4><object type=text/html></object>`;
    const plan = createExtraction(crawlRunSpec.shape.extract.parse({})).plan;
    expect(readHtml(html, plan).frames).toEqual(['/a', '/b', '/c.html']);
  });
});
