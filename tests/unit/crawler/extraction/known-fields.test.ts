// Fields without a selector, out of what pages say of themselves to machines.
import { describe, expect, it } from 'vitest';
import { createExtraction } from '#src/crawler/extraction/extraction.ts';
import { readHtml } from '#src/crawler/html/html-page.ts';
import { type CrawlRunSpecInput, crawlRunSpec } from '#src/resources/crawl-run.ts';

type Extract = NonNullable<CrawlRunSpecInput['extract']>;
const URL_OF_PAGE = new URL('https://shop.example/nets/1');

function itemsOf(html: string, extract: Extract) {
  const spec = crawlRunSpec.parse({ sources: [{ name: 'shop', urls: [URL_OF_PAGE.href] }], extract });
  const extraction = createExtraction(spec.extract);
  return extraction.itemsOf(readHtml(html, extraction.plan), URL_OF_PAGE);
}

/** The one item's fields, as text. */
function fieldsOf(html: string, ...names: string[]) {
  const result = itemsOf(html, { fields: names.map((name) => ({ name })) });
  return 'items' in result ? (result.items[0] ?? {}) : result;
}

const jsonLd = (value: unknown) => `<script type="application/ld+json">${JSON.stringify(value)}</script>`;

const PRODUCT = {
  '@context': 'https://schema.org/',
  '@type': 'Product',
  name: 'Hemp Net No. 1',
  description: 'For calm water.',
  category: 'nets',
  image: ['/nets/1.png', 'https://cdn.example/1-large.png'],
  sku: 17,
  brand: { '@type': 'Brand', name: 'Calm' },
  aggregateRating: { '@type': 'AggregateRating', ratingValue: '4.4', reviewCount: 89 },
  offers: {
    '@type': 'Offer',
    price: 1234.5,
    priceCurrency: 'EUR',
    availability: 'https://schema.org/InStock',
    itemCondition: 'http://schema.org/NewCondition',
  },
};

describe('JSON-LD', () => {
  it('gives every known field of a product', () => {
    const names = [
      ...['title', 'name', 'price', 'currency', 'description', 'category', 'availability', 'condition', 'rating'],
      ...['ratingCount', 'image', 'brand', 'sku'],
    ];
    expect(fieldsOf(jsonLd(PRODUCT), ...names)).toEqual({
      title: 'Hemp Net No. 1',
      name: 'Hemp Net No. 1',
      price: '1234.5',
      currency: 'EUR',
      description: 'For calm water.',
      category: 'nets',
      availability: 'InStock',
      condition: 'NewCondition',
      rating: '4.4',
      ratingCount: '89',
      image: 'https://shop.example/nets/1.png',
      brand: 'Calm',
      sku: '17',
    });
  });

  it('is found in lists, in @graph and as what the page is mainly about', () => {
    const page = { '@type': 'WebPage', name: 'The page', datePublished: '2026-01-02', mainEntity: PRODUCT };
    for (const value of [
      [PRODUCT],
      { '@graph': [{ '@type': 'WebSite', name: 'Shop' }, PRODUCT] },
      page,
      [[[PRODUCT]]],
    ]) {
      expect(fieldsOf(jsonLd(value), 'title', 'price')).toEqual({ title: 'Hemp Net No. 1', price: '1234.5' });
    }
    expect(fieldsOf(jsonLd(page), 'title', 'datePublished')).toMatchObject({ datePublished: '2026-01-02' });
  });

  it('refers to other things by @id', () => {
    const graph = [
      { '@type': 'Organization', '@id': '#us', name: 'Daily Net' },
      { '@type': 'Article', headline: 'Nets are back', author: { '@id': '#eve' }, publisher: { '@id': '#us' } },
      { '@type': 'Person', '@id': '#eve', name: 'Eve' },
      { '@type': 'Person', '@id': '#self', name: 'Self', author: { '@id': '#self' } },
    ];
    expect(fieldsOf(jsonLd({ '@graph': graph }), 'title', 'author', 'publisher')).toEqual({
      title: 'Nets are back',
      author: 'Eve',
      publisher: 'Daily Net',
    });
  });

  it.each([
    ['several offers', { offers: [{ availability: 'InStock' }, { price: '7' }] }, '7'],
    ['an aggregate', { offers: { '@type': 'AggregateOffer', lowPrice: 5, highPrice: 9 } }, '5'],
    ['offers in an aggregate', { offers: { '@type': 'AggregateOffer', offers: [{ price: 6 }] } }, '6'],
    ['a price specification', { offers: { priceSpecification: [{ price: '8.00' }] } }, '8.00'],
    ['names with a prefix', { 'schema:offers': { 'schema:price': 3 } }, '3'],
    ['an ordered list', { offers: { '@list': [{ price: 4 }] } }, '4'],
    ['nothing that fits', { offers: [null, 'free', [{ price: 1 }], { price: { value: 1 } }] }, null],
  ])('takes the price of %s', (_what, offers, price) => {
    const product = { '@type': 'Product', name: 'x', ...offers };
    expect(fieldsOf(jsonLd(product), 'title', 'price')).toEqual({ title: 'x', price });
  });

  it('takes no field from another thing of the same type', () => {
    const related = { '@type': 'Product', name: 'Other', offers: { price: 1 } };
    expect(fieldsOf(jsonLd([{ '@type': 'Product', name: 'This' }, related]), 'title', 'price')).toEqual({
      title: 'This',
      price: null,
    });
  });

  it('of the site says nothing of the page, unless by a name that only it knows', () => {
    const site = [
      { '@type': 'Organization', name: 'The Company', description: 'We sell.', telephone: '112' },
      { '@type': 'BreadcrumbList', name: 'Trail' },
    ];
    const html = `${jsonLd(site)}<meta name=description content="This page."><title>Page</title>`;
    expect(fieldsOf(html, 'title', 'description', 'telephone')).toEqual({
      title: 'Page',
      description: 'This page.',
      telephone: '112',
    });
  });

  it.each([
    ['a line break in a string', '{"@type":"Product","name":"a\nb","sku":"1"}', { title: 'a b', sku: '1' }],
    ['trailing commas', '{"@type":"Product","name":"a","sku":"1",}', { title: 'a', sku: '1' }],
    ['a comment around', '<!-- {"@type":"Product","name":"a","sku":"1"} -->', { title: 'a', sku: '1' }],
    [
      'CDATA and a semicolon',
      '//<![CDATA[\n{"@type":"Product","name":"a","sku":"1"};\n//]]>',
      { title: 'a', sku: '1' },
    ],
    ['half of it', '{"@type":"Product","name":"a"', { title: 'fallback', sku: null }],
    ['no object', '"text"', { title: 'fallback', sku: null }],
    ['nothing', '', { title: 'fallback', sku: null }],
    ['endless nesting', `{"@type":"Product","offers":${'['.repeat(100_000)}`, { title: 'fallback', sku: null }],
    ['deep nesting', `${'['.repeat(50_000)}${']'.repeat(50_000)}`, { title: 'fallback', sku: null }],
    ['names of JavaScript', '{"@type":"Product","__proto__":{"sku":"1"},"name":"a"}', { title: 'a', sku: null }],
  ])('with %s harms no page', (_what, script, expected) => {
    const html = `<script type="application/ld+json">${script}</script><title>fallback</title>`;
    expect(fieldsOf(html, 'title', 'sku')).toEqual(expected);
  });
});

describe('microdata', () => {
  const html = `
    <div itemscope itemtype="https://schema.org/BreadcrumbList"><span itemprop=name>Home</span></div>
    <div itemscope itemtype="https://schema.org/Product">
      <h1 itemprop=name>Hemp <b>Net</b></h1>
      <img itemprop=image src=1.png alt="">
      <span itemprop=brand itemscope itemtype="https://schema.org/Brand"><meta itemprop=name content=Calm></span>
      <div itemprop=offers itemscope itemtype="https://schema.org/Offer">
        <span itemprop=price content=12.50>12,50 €</span><meta itemprop=priceCurrency content=EUR>
        <link itemprop=availability href="https://schema.org/OutOfStock">
      </div>
      <time itemprop="datePublished releaseDate" datetime=2026-01-02>yesterday</time>
      <div itemprop=review itemscope><span itemprop=name>Good</span><p itemprop=description>I like it</p></div>
    </div>`;

  it('gives the fields of the thing that the page is about, nested ones too', () => {
    const names = ['title', 'image', 'brand', 'price', 'currency', 'availability', 'datePublished', 'releaseDate'];
    expect(fieldsOf(html, ...names, 'description')).toEqual({
      title: 'Hemp Net',
      image: 'https://shop.example/nets/1.png',
      brand: 'Calm',
      price: '12.50',
      currency: 'EUR',
      availability: 'OutOfStock',
      datePublished: '2026-01-02',
      releaseDate: '2026-01-02',
      description: null,
    });
  });

  it('comes after JSON-LD and before Open Graph', () => {
    const og = '<meta property="og:title" content=og><meta property="og:description" content="by og">';
    expect(fieldsOf(og + html + jsonLd({ '@type': 'Product', sku: '1' }), 'title', 'sku', 'description')).toEqual({
      title: 'Hemp Net',
      sku: '1',
      description: 'by og',
    });
    expect(fieldsOf(html + jsonLd({ '@type': 'Product', name: 'by JSON-LD' }), 'title', 'price')).toEqual({
      title: 'by JSON-LD',
      price: '12.50',
    });
  });

  it('is read in each item by itself', () => {
    const card = (name: string, price: string) =>
      `<li class=card itemscope itemtype="https://schema.org/Product"><b itemprop=name>${name}</b>` +
      `<p itemprop=offers itemscope><i itemprop=price>${price}</i></p></li>`;
    const extract: Extract = { itemSelector: '.card', fields: [{ name: 'name' }, { name: 'price', type: 'Number' }] };
    const page = `<title>List</title><meta property="og:title" content=List>${jsonLd(PRODUCT)}`;
    expect(itemsOf(page + card('a', '1 €') + card('b', 'on request'), extract)).toEqual({
      items: [
        { name: 'a', price: 1 },
        { name: 'b', price: null },
      ],
    });
  });
});

describe('a page with one item', () => {
  it('describes it as a whole', () => {
    const extract: Extract = {
      itemSelector: 'article',
      fields: [
        { name: 'text', selector: 'p' },
        { name: 'price', type: 'Number' },
      ],
    };
    expect(itemsOf(`${jsonLd(PRODUCT)}<article><p>t</p></article>`, extract)).toEqual({
      items: [{ text: 't', price: 1234.5 }],
    });
  });
});

describe('meta tags', () => {
  it('give Open Graph first, whatever the order and the case', () => {
    const html = `<title>t</title><meta name=Description content="by name"><META NAME=author CONTENT=Eve>
      <meta property="OG:Description" content=" by og "><meta property="product:price:amount" content="9.90">
      <meta property="og:image" content="//cdn.example/a.png"><meta property="og:image" content="/b.png">`;
    expect(fieldsOf(html, 'title', 'description', 'author', 'price', 'image')).toEqual({
      title: 't',
      description: 'by og',
      author: 'Eve',
      price: '9.90',
      image: 'https://cdn.example/a.png',
    });
    expect(itemsOf(html, { fields: [{ name: 'image', multiple: true }] })).toEqual({
      items: [{ image: ['https://cdn.example/a.png', 'https://shop.example/b.png'] }],
    });
  });

  it('are those of each name of a property', () => {
    const html =
      '<meta property="og:title twitter:title" content=A><meta name="twitter:x" property="og:brand" content=B>';
    expect(fieldsOf(html, 'title', 'brand')).toEqual({ title: 'A', brand: 'B' });
  });

  it('give names that nobody knows as they are spelt', () => {
    const html = `<meta name=generator content=Pen><meta property="og:audio" content=a.mp3>${jsonLd(PRODUCT)}`;
    expect(fieldsOf(html, 'generator', 'audio', 'reviewCount', 'priceCurrency', 'nothing')).toEqual({
      generator: 'Pen',
      audio: 'a.mp3',
      reviewCount: '89',
      priceCurrency: 'EUR',
      nothing: null,
    });
  });
});

describe('types', () => {
  const wordy = jsonLd({ '@type': 'Product', name: 'x', offers: { price: 'on request' } });

  it('that do not fit let the next source speak', () => {
    const html = `${wordy}<meta property="product:price:amount" content="9,90">`;
    expect(itemsOf(html, { fields: [{ name: 'price', type: 'Number', required: true }] })).toEqual({
      items: [{ price: 9.9 }],
    });
  });

  it('that fit nowhere are null, and missing when they are required', () => {
    expect(itemsOf(wordy, { fields: [{ name: 'title' }, { name: 'price', type: 'Number' }] })).toEqual({
      items: [{ title: 'x', price: null }],
    });
    expect(itemsOf(wordy, { fields: [{ name: 'price', type: 'Number', required: true }] })).toEqual({
      items: [],
      incomplete: { items: 1, missing: 'price' },
    });
  });

  it('tell whether something is so', () => {
    const html = jsonLd({ '@type': 'Article', isAccessibleForFree: 'False', isFamilyFriendly: true });
    const type = 'Boolean';
    const fields = ['isAccessibleForFree', 'isFamilyFriendly', 'isPartOf'].map((name) => ({ name, type }) as const);
    expect(itemsOf(html, { fields })).toEqual({
      items: [{ isAccessibleForFree: false, isFamilyFriendly: true, isPartOf: false }],
    });
  });
});

describe('what pages write beside the standard', () => {
  const script = (text: string, type = 'application/ld+json') => `<script type="${type}">${text}</script>`;
  const text = JSON.stringify(PRODUCT);
  const { name: _, offers, ...group } = PRODUCT;
  const named = { title: 'Hemp Net No. 1', price: '1234.5' };

  it.each([
    ['parameters in the type', script(text, 'application/ld+json; charset=utf-8')],
    ['a type in other letters, between spaces', script(text, ' Application/LD+JSON ')],
    ['two objects in one script', script(`${text}\n${JSON.stringify({ '@type': 'BreadcrumbList' })}`)],
    ['control characters', script(text.replace('Hemp Net', 'Hemp\tNet'))],
    ['commas too many', script(text.replace(/}$/, ',}'))],
    ['comments of JavaScript', script(text.replace('{', '{ // from http://shop.example/\n'))],
    ['escapes of JavaScript', script(text.replace('Hemp Net', '\\Hemp Net'))],
    ['whole addresses for names', script(text.replaceAll(/"(name|offers|price)":/g, '"https://schema.org/$1":'))],
    ['a graph', jsonLd({ '@graph': [{ '@type': 'WebSite', name: 'x' }, PRODUCT] })],
    ['entities', script(text.replace('Hemp Net', 'Hemp&#32;Net'))],
    ['a list of one', jsonLd({ '@type': 'ItemList', itemListElement: [{ '@type': 'ListItem', item: PRODUCT }] })],
    ['a list of things', jsonLd({ '@type': 'ItemList', itemListElement: [PRODUCT] })],
    [
      'a group',
      jsonLd({ '@type': 'ProductGroup', name: 'Hemp Net No. 1', hasVariant: [PRODUCT, { ...PRODUCT, offers: {} }] }),
    ],
    ['a main entity', jsonLd({ '@type': 'WebPage', name: 'x', mainEntity: PRODUCT })],
    [
      'references',
      jsonLd({
        '@graph': [
          { ...PRODUCT, offers: { '@id': '#o' } },
          { '@id': '#o', ...offers },
        ],
      }),
    ],
    [
      'references with a type',
      jsonLd({
        '@graph': [
          { ...PRODUCT, offers: { '@id': '#o', '@type': 'Offer' } },
          { '@id': '#o', ...offers },
        ],
      }),
    ],
    [
      'a thing in two parts',
      jsonLd([
        { '@id': '#p', ...group },
        { '@id': '#p', '@type': 'Product', name: 'Hemp Net No. 1', offers },
      ]),
    ],
    [
      'a reference to what stands within another thing',
      jsonLd([
        { ...PRODUCT, offers: { '@id': '#o' } },
        { '@type': 'Thing', x: { '@id': '#o', price: 1234.5 } },
      ]),
    ],
  ])('%s', (_, html) => {
    expect(fieldsOf(html, 'title', 'price')).toEqual(named);
  });

  it('has no list for one thing, and all of it for a field of several', () => {
    const list = { '@type': 'ItemList', itemListElement: [{ item: PRODUCT }, { item: { ...PRODUCT, name: 'Two' } }] };
    const html = `<title>Nets</title>${jsonLd(list)}`;
    const fields = [
      { name: 'title' },
      { name: 'name', multiple: true },
      { name: 'sku', multiple: true },
      { name: 'price' },
    ];
    expect(itemsOf(html, { fields }).items).toEqual([
      { title: 'Nets', name: ['Nets'], sku: ['17', '17'], price: null },
    ]);
  });

  const related = { ...PRODUCT, name: 'Related', offers: { price: 1 } };
  it.each([
    ['its address', jsonLd([related, { ...PRODUCT, url: '/nets/1#top' }])],
    ['its @id', jsonLd([related, { ...PRODUCT, '@id': 'https://shop.example/nets/1' }])],
    [
      'the canonical address',
      `<link rel=canonical href=/net>${jsonLd([related, { ...PRODUCT, url: 'https://shop.example/net/' }])}`,
    ],
    ['the heading', `<h1>Hemp Net No. 1</h1>${jsonLd([related, PRODUCT])}`],
    ['the title', `<title>Hemp Net No. 1 | Shop</title>${jsonLd([related, PRODUCT])}`],
    [
      'microdata with its address',
      `<div itemscope itemtype=https://schema.org/Product><b itemprop=name>Related</b><i itemprop=price>1</i></div>
      <div itemscope itemtype=https://schema.org/Product><a itemprop=url href=/nets/1><b itemprop=name>Hemp Net No. 1</b></a><i itemprop=price>1234.5</i></div>`,
    ],
  ])('tells the product of the page among others by %s', (_, html) => {
    expect(fieldsOf(html, 'title', 'price')).toEqual(named);
  });
});

describe('of a group of variants', () => {
  const variant = (name: string, price: number, more: object = {}) => ({
    '@type': 'Product',
    name,
    offers: { '@type': 'Offer', price, ...more },
  });
  const at = (query: string) => ({ url: `https://shop.example/nets/1${query}` });
  const group = (more: object, ...variants: object[]) =>
    jsonLd({ '@type': 'ProductGroup', name: 'Net', ...more, hasVariant: variants });
  const [small, large] = [variant('Net S', 1), variant('Net L', 2)];

  it.each([
    ['its url', group(at('?size=all'), { ...small, ...at('?size=s') }, { ...large, ...at('') }), 'Net L', '2'],
    ['the url of its offer', group({}, variant('Net S', 1, at('?size=s')), variant('Net L', 2, at(''))), 'Net L', '2'],
    ['its @id', group({}, small, { ...large, '@id': 'https://shop.example/nets/1' }), 'Net L', '2'],
    [
      'a reference',
      jsonLd({
        '@graph': [
          { '@type': 'ProductGroup', name: 'Net', hasVariant: [{ '@id': '#s' }, { '@id': '#l' }] },
          { '@id': '#s', ...small },
          { '@id': '#l', ...large, ...at('') },
        ],
      }),
      'Net L',
      '2',
    ],
    [
      'its url, while the group has the canonical one',
      `<link rel=canonical href=/nets>${group({ url: '/nets' }, small, { ...large, ...at('') })}`,
      'Net L',
      '2',
    ],
    [
      'its url, in a list beside its group',
      jsonLd([
        { '@type': 'ProductGroup', '@id': '#g', name: 'Net', offers: { lowPrice: 9 } },
        { ...large, ...at(''), isVariantOf: { '@id': '#g' } },
      ]),
      'Net L',
      '2',
    ],
    [
      'its price, where the address is also that of the group',
      group(at(''), small, { ...large, ...at('') }),
      'Net',
      '2',
    ],
    [
      'the first one, where all have the address',
      group({}, { ...small, ...at('') }, { ...large, ...at('') }),
      'Net',
      '1',
    ],
    ['the first one, where none has it', group({}, small, large), 'Net', '1'],
  ])('the one that the page is about is known by %s', (_, html, title, price) => {
    expect(fieldsOf(html, 'title', 'price')).toEqual({ title, price });
  });
});

describe('RDFa', () => {
  it('is read as microdata is', () => {
    const html = `<meta property="og:site_name" content=Shop><div vocab="https://schema.org/" typeof="Product"><h1 property="name">Net</h1>
      <img property="schema:image" src="/x.png"><div property="offers" typeof="Offer"><span property="price" content="9.90">9,90 €</span>
      <meta property="priceCurrency" content="EUR"></div><a property="brand" typeof="Brand" href=/b><i property=name>Calm</i></a></div>`;
    expect(fieldsOf(html, 'title', 'price', 'currency', 'image', 'brand')).toEqual({
      title: 'Net',
      price: '9.90',
      currency: 'EUR',
      image: 'https://shop.example/x.png',
      brand: 'Calm',
    });
  });

  it('is that of each item', () => {
    const card = (name: string) => `<li typeof="schema:Product"><b property="schema:name">${name}</b></li>`;
    expect(itemsOf(card('a') + card('b'), { itemSelector: 'li', fields: [{ name: 'name' }] }).items).toEqual([
      { name: 'a' },
      { name: 'b' },
    ]);
  });
});

describe('itemref', () => {
  const FAR =
    '<div id=far><b itemprop=name>Net</b><div itemprop=offers itemscope><i itemprop=price>9.90</i></div></div>';
  it.each([
    ['behind the item', `<div itemscope itemtype=https://schema.org/Product itemref="far none"></div>${FAR}`],
    ['before the item', `${FAR}<div itemscope itemtype=https://schema.org/Product itemref=far></div>`],
    [
      'within another one',
      `<div itemscope itemtype=https://schema.org/WebSite>${FAR}</div><div itemscope itemtype=https://schema.org/Product itemref=far></div>`,
    ],
    [
      'around itself',
      `<div id=loop><div itemscope itemtype=https://schema.org/Product itemref="loop far"></div></div>${FAR}`,
    ],
  ])('adds what stands %s', (_, html) => {
    expect(fieldsOf(html, 'title', 'price')).toEqual({ title: 'Net', price: '9.90' });
  });

  it('adds to an item what stands outside of it', () => {
    const html = `<li itemscope itemref=far><u itemprop=sku>7</u></li>${FAR}`;
    const fields = [{ name: 'name' }, { name: 'sku' }, { name: 'price', type: 'Number' as const }];
    expect(itemsOf(html, { itemSelector: 'li', fields }).items).toEqual([{ name: 'Net', sku: '7', price: 9.9 }]);
  });
});

it('reads a price with its currency from two places', () => {
  const fields = [{ name: 'price', type: 'Price' as const }];
  expect(itemsOf(jsonLd(PRODUCT), { fields }).items).toEqual([{ price: { amount: 1234.5, currency: 'EUR' } }]);
  const rating = { '@type': 'Product', aggregateRating: { ratingValue: 4.125 } };
  expect(itemsOf(jsonLd(rating), { fields: [{ name: 'rating', type: 'Number' }] }).items).toEqual([{ rating: 4.125 }]);
});
