// Items out of HTML.
import { describe, expect, it, vi } from 'vitest';
import { absoluteLinks, createExtraction, hasFailed } from '#src/crawler/extraction/extraction.ts';
import { LocaleError } from '#src/crawler/extraction/locales.ts';
import { SelectorError } from '#src/crawler/extraction/selectors.ts';
import { readHtml } from '#src/crawler/html/html-page.ts';
import { crawlRunSpec } from '#src/resources/crawl-run.ts';

const URL_OF_PAGE = new URL('http://shop.example/list/');

function extractionOf(extract: Record<string, unknown> | undefined) {
  const spec = crawlRunSpec.parse({
    sources: [{ name: 'shop', urls: [URL_OF_PAGE.href] }],
    ...(extract === undefined ? {} : { extract }),
  });
  return createExtraction(spec.extract);
}

function itemsOf(html: string, extract?: Record<string, unknown>) {
  const extraction = extractionOf(extract);
  return extraction.itemsOf(readHtml(html, extraction.plan), URL_OF_PAGE);
}

const CARDS = `
  <div class=card><h2>Net <b>one</b></h2><span class=price>1.234,50 €</span><a href=../one>more</a><i class=new></i></div>
  <div class=card><h2>Net two</h2><span class=price>sold out</span><em>a</em><em>b</em></div>`;

describe('items', () => {
  it('are title, heading and links without an extract section', () => {
    expect(
      itemsOf(
        '<title> The\n shop </title><h1>Wel<b>come</b></h1><a href=a>a</a><a href="a#b">b</a><a href="mailto:x">',
      ),
    ).toEqual({
      items: [{ url: URL_OF_PAGE.href, title: 'The shop', heading: 'Welcome', links: ['http://shop.example/list/a'] }],
    });
  });

  it.each([
    ['<h2>second</h2><h1>first</h1>', 'first'],
    ['<h3>third</h3><h2>second</h2>', 'second'],
    ['<h1> </h1><h3>third</h3>', 'third'],
    ['<p>none</p>', ''],
  ])('of %s have the most important heading', (html, heading) => {
    expect(itemsOf(html)).toMatchObject({ items: [{ heading }] });
  });

  it('are one for each match of itemSelector, with typed fields', () => {
    const fields = [
      { name: 'name', selector: 'h2' },
      { name: 'price', selector: '.price', type: 'Number' },
      { name: 'isNew', selector: '.new', type: 'Boolean' },
      { name: 'more', selector: 'a', type: 'URL' },
      { name: 'tags', selector: 'em', multiple: true },
    ];
    expect(itemsOf(CARDS, { itemSelector: '.card', fields })).toEqual({
      items: [
        { name: 'Net one', price: 1234.5, isNew: true, more: 'http://shop.example/one', tags: [] },
        { name: 'Net two', price: null, isNew: false, more: null, tags: ['a', 'b'] },
      ],
    });
  });

  it('take attributes, and their absence, as they are', () => {
    const html = '<img data-ID=" 7 " src=/x.png><img src="javascript:alert(1)">';
    expect(
      itemsOf(html, {
        fields: [
          { name: 'id', selector: 'img', attribute: 'data-id', type: 'Number' },
          { name: 'alt', selector: 'img', attribute: 'alt' },
          { name: 'images', selector: 'img', type: 'URL', multiple: true },
        ],
      }),
    ).toEqual({ items: [{ id: 7, alt: null, images: ['http://shop.example/x.png'] }] });
  });

  it('are none where nothing was found', () => {
    expect(itemsOf('<p>about us</p>', { fields: [{ name: 'price', selector: '.price' }] })).toEqual({ items: [] });
  });

  it('need their required fields', () => {
    const fields = [
      { name: 'name', selector: 'h2', required: true },
      { name: 'more', selector: 'a', required: true },
    ];
    expect(itemsOf(CARDS, { itemSelector: '.card', fields })).toEqual({
      items: [{ name: 'Net one', more: 'more' }],
      incomplete: { items: 1, missing: 'more' },
    });
    const none = itemsOf('<div class=card><h2>Net</h2></div><div class=card>', { itemSelector: '.card', fields });
    expect(none).toEqual({ items: [], incomplete: { items: 2, missing: 'more' } });
    expect(hasFailed(none)).toBe(true);
    const other = itemsOf('<p>about us</p>', { itemSelector: '.card', fields });
    expect(other).toEqual({ items: [] });
    expect(hasFailed(other)).toBe(false);
  });

  it('resolve URLs against the base of the page', () => {
    const html = '<base href="//cdn.example/x/"><a href=y>y</a>';
    const extraction = extractionOf({ fields: [{ name: 'link', selector: 'a', type: 'URL' }] });
    const page = readHtml(html, extraction.plan);
    expect(extraction.itemsOf(page, URL_OF_PAGE)).toEqual({ items: [{ link: 'http://cdn.example/x/y' }] });
    expect(absoluteLinks(page, URL_OF_PAGE, 10).map(String)).toEqual(['http://cdn.example/x/y']);
  });
});

describe('images and links', () => {
  const PAGE = `<div class=card><img src=a.png alt=" A "><img src="data:image/gif;base64,x" data-src=/lazy.png><img alt=none>
    <img srcset="/small.png 1x, /large.png 2x"><img src=a.png alt=again><a href=../one#top> <b>O</b>ne </a><a href="mailto:a@b">mail</a></div>
    <map><area href=/area alt=Area></map>`;

  it('are absolute, each once, with their text', () => {
    expect(itemsOf(PAGE, { images: true, links: true })).toEqual({
      items: [
        {
          images: [
            { url: 'http://shop.example/list/a.png', alt: 'A' },
            { url: 'http://shop.example/lazy.png', alt: '' },
            { url: 'http://shop.example/small.png', alt: '' },
          ],
          links: [
            { url: 'http://shop.example/one', text: 'One' },
            { url: 'http://shop.example/area', text: 'Area' },
          ],
        },
      ],
    });
  });

  it.each([
    ['<img src="/blank.gif" data-src="/r.jpg">', '/r.jpg'],
    ['<img src="data:image/gif;base64,R0" data-lazy="/r.jpg">', '/r.jpg'],
    ['<img src="about:blank" data-src="/r.jpg">', '/r.jpg'],
    ['<img src="/real-small.jpg" data-src="/r.jpg">', '/r.jpg'],
    ['<img src="/r.jpg" data-src="data:image/gif;base64,R0">', '/r.jpg'],
    ['<img src="/r.jpg" srcset="/x.jpg 2x">', '/r.jpg'],
    ['<img src="/img/placeholder.svg" srcset="/r.jpg 300w, /s.jpg 600w">', '/r.jpg'],
    ['<img src="/1x1.png" data-srcset="/r.jpg 1x">', '/r.jpg'],
    ['<img srcset="data:image/gif;base64,R0 1x, /r.jpg 2x">', '/r.jpg'],
    ['<img srcset="/a,b.jpg, /c.jpg 2x">', '/a,b.jpg'],
    ['<img srcset=",/r.jpg 100w (x,y), /c.jpg 2x">', '/r.jpg'],
    ['<picture><source srcset="/r.webp"><img alt=x></picture>', '/r.webp'],
    ['<picture><source data-srcset="/r.webp 2x" srcset="/blank.gif"><img src="data:,x"></picture>', '/r.webp'],
    ['<picture><source srcset="/x.webp"><img src=/r.jpg></picture>', '/r.jpg'],
    ['<img src="//cdn.example:8443/r.jpg">', 'http://cdn.example:8443/r.jpg'],
    ['<img src="/transparent-jacket">', '/transparent-jacket'],
    ['<img src="data:,x"><noscript><img src="/r.jpg" alt=x></noscript>', '/r.jpg'],
    [
      '<img class=lazy> <noscript> <img alt="a > b" data-src=/no.jpg src=/r.jpg?a=1&amp;b=2 > </noscript>',
      '/r.jpg?a=1&b=2',
    ],
    ['<p><noscript><img src=/r.jpg></noscript><img src="/blank.gif">', '/r.jpg'],
    ['<picture><source><img></picture><noscript><picture><img srcset="/r.jpg 1x"></picture></noscript>', '/r.jpg'],
    ['<img src="/r.jpg"><noscript><img src="/x.jpg"></noscript>', '/r.jpg'],
    ['<img data-src="/r.jpg"><noscript><img src="/x.jpg"></noscript>', '/r.jpg'],
  ])('of %s is where it will be', (html, path) => {
    const fields = [{ name: 'image', selector: 'img', type: 'URL' }];
    const url = new URL(path, URL_OF_PAGE).href;
    expect(itemsOf(html, { fields, images: true }).items).toMatchObject([{ image: url, images: [{ url }] }]);
  });

  it('that stand in a row have each the one that its own <noscript> shows', () => {
    const shown = (name: string) => `<noscript><img src=/${name}.jpg></noscript>`;
    const lazy = '<img src="data:,x">';
    const behind = `<div>${lazy}${shown('a')}${lazy}${shown('b')}</div>`;
    const before = `<div>${shown('c')}${lazy}${shown('d')}${lazy}</div>`;
    const others = `<div>${lazy}<noscript>Please enable JavaScript</noscript></div><div>${lazy}</div>${shown('e')}`;
    const urls = ['a', 'b', 'c', 'd'].map((name) => ({ url: `http://shop.example/${name}.jpg`, alt: '' }));
    expect(itemsOf(behind + before + others, { images: true }).items).toEqual([{ images: urls }]);
  });

  it('are those of the item alone', () => {
    const extract = { itemSelector: '.card', fields: [{ name: 'mail', selector: 'a[href^=mailto]' }], links: true };
    expect(itemsOf(PAGE, extract)).toEqual({
      items: [{ mail: 'mail', links: [{ url: 'http://shop.example/one', text: 'One' }] }],
    });
  });

  it('make no item of a page that has none, or none of the fields', () => {
    expect(itemsOf('<p>about us</p>', { images: true, links: true })).toEqual({ items: [] });
    expect(itemsOf(PAGE, { fields: [{ name: 'price', selector: '.price' }], images: true })).toEqual({ items: [] });
  });

  it('are read only where they are asked for', () => {
    const { plan } = extractionOf({ fields: [{ name: 'price', selector: '.price' }] });
    expect(readHtml(PAGE, plan)).toMatchObject({ images: [], itemLinks: [], html: '', microdata: [], meta: [] });
  });
});

describe('selectors', () => {
  it.each([
    'p:contains("x")',
    'p:first',
    ':input',
    '> p',
    'a, > p',
    'p[',
    'p:no-such-thing',
    'p::first-line',
    'a,',
    ' ',
  ])('%j is refused with the name of its field', (selector) => {
    const extract = { fields: [{ name: 'x', selector }] };
    expect(() => extractionOf(extract)).toThrow(SelectorError);
    expect(() => extractionOf(extract)).toThrow(/^extract\.fields\[x\]\.selector/);
  });

  it.each([
    'p:first-child',
    ':scope > p',
    'a[href*=":contains"]',
    'li:nth-child(2n+1)',
    'h1:has(> b)',
    'input:not([type=text])',
  ])('%j is accepted', (selector) => {
    expect(() => extractionOf({ fields: [{ name: 'x', selector }] })).not.toThrow();
  });
});

describe('types', () => {
  it('ask for the locale only where a text means several things', () => {
    const asked = vi.spyOn(Intl.NumberFormat, 'supportedLocalesOf');
    const field = (type: string) => ({ fields: [{ name: 'x', selector: 'p', type }] });
    const page = (text: string, language: string) => `<html lang=${language}><p>${text}</p>`;
    for (const [type, text] of [
      ...[
        ['String', '1.234'],
        ['Number', '1.234,50'],
        ['Number', '12'],
        ['Price', '1.234,50 €'],
        ['Price', 'US$ 5'],
      ],
      ...[
        ['Price', '1.280 円'],
        ['Date', '2024-03-12'],
      ],
    ] as const) {
      itemsOf(page(text, 'de'), field(type));
    }
    expect(asked).not.toHaveBeenCalled();
    itemsOf(page('1.234', 'fr'), field('Number'));
    itemsOf(page('$ 5', 'en-CA'), field('Price'));
    itemsOf(page('12. März 2024', 'de-AT'), field('Date'));
    expect(asked.mock.calls).toEqual([['fr'], ['en-CA'], ['de-AT']]);
    asked.mockRestore();
  });

  const TEXTS =
    '<b>1.299 €</b><i>1.234</i><time datetime="2024-03-12T10:15Z">yesterday</time><u>3.4.2024</u><s>Free!</s>';
  const fields = [
    { name: 'price', selector: 'b', type: 'Price' },
    { name: 'number', selector: 'i', type: 'Number' },
    { name: 'time', selector: 'time', type: 'Date' },
    { name: 'day', selector: 'u', type: 'Date' },
    { name: 'free', selector: 's', type: 'Price' },
    { name: 'none', selector: 's', type: 'Date' },
  ];
  const values = {
    price: { amount: 1299, currency: 'EUR' },
    number: 1234,
    time: '2024-03-12T10:15:00Z',
    day: '2024-04-03',
    free: { amount: 0, currency: null },
    none: null,
  };

  it.each([
    ['no locale', TEXTS, undefined, {}],
    ['the language of the page', `<html lang=en>${TEXTS}`, undefined, { number: 1.234 }],
    [
      'the language that a header in the page names',
      `<meta http-equiv=Content-Language content=en>${TEXTS}`,
      undefined,
      { number: 1.234 },
    ],
    ['a language that nobody knows', `<html lang="x y">${TEXTS}`, undefined, {}],
    ['a locale', `<html lang=en>${TEXTS}`, 'de', {}],
    [
      'a locale with a point before decimals',
      `<html lang=de>${TEXTS}`,
      'en-US',
      { number: 1.234, price: { amount: 1.299, currency: 'EUR' } },
    ],
  ])('are read by %s', (_, html, locale, other) => {
    expect(itemsOf(html, { fields, locale }).items).toEqual([{ ...values, ...other }]);
  });

  it('are read by the locale of their field', () => {
    const extract = { locale: 'de', fields: [{ name: 'n', selector: 'i', type: 'Number', locale: 'en' }] };
    expect(itemsOf(TEXTS, extract).items).toEqual([{ n: 1.234 }]);
  });

  it('of several are a list', () => {
    const html = '<b>1 €</b><b>none</b><b>2 $</b>';
    expect(itemsOf(html, { fields: [{ name: 'prices', selector: 'b', type: 'Price', multiple: true }] }).items).toEqual(
      [
        {
          prices: [
            { amount: 1, currency: 'EUR' },
            { amount: 2, currency: 'USD' },
          ],
        },
      ],
    );
  });

  it('have no locale that is unknown', () => {
    expect(() => extractionOf({ locale: 'xx', fields: [{ name: 'n' }] })).toThrow(LocaleError);
    expect(() => extractionOf({ fields: [{ name: 'n', locale: 'xx' }] })).toThrow(
      /^extract\.fields\[n\]\.locale: "xx"/,
    );
  });
});
