// The demo site: a small shop and one page for each trouble that a crawler meets. The same at every start.
//
// Shop
//   /                        home; links to every page below, except those marked (not linked)
//   /products/               all products, 12 a page; the next ones at /products/?page=2 and so on, `rel="next"`
//   /products/N              one product: heading, price, availability, also as JSON-LD, microdata and OpenGraph
//   /categories/NAME         nets, floats, ropes, lamps: links to the same products again
//   /js/                     empty without JavaScript: a script loads /api/offers.json and writes the list and the title
//   /js/offers/N             linked by that script alone
//   /api/offers.json         what the script loads
//   /robots.txt              disallows /private/ and names the sitemap; Crawl-delay where the site is started with one
//   /sitemap.xml             home, product lists and products, each with lastmod
//   /images/N.svg            one picture a product
//
// Kept out
//   /private/                disallowed by robots.txt, though linked
//   /nofollow/               linked with rel="nofollow" alone
//   /noindex/                says noindex, nofollow in a meta tag; links to /noindex/next
//
// Trouble
//   /slow/1, /slow/3         the first byte after so many seconds (0 to 600)
//   /slow/drip               half the body at once, the rest after 2 s
//   /slow/never              never answers (not linked)
//   /errors/500              always 500
//   /errors/503              503 with Retry-After: 1 at every first of two requests, then 200
//   /errors/429              429 with Retry-After: 1 at every first of two requests, then 200
//   /errors/429/always       always 429 with Retry-After: 1 (not linked)
//   /errors/flaky            500 at every first of two requests, then 200
//   /errors/403              always 403, with a page that asks for a proof of being human (not linked)
//   any other path           404; home links to /errors/404
//
// Redirects
//   /redirects/chain         302 to /redirects/middle, 301 to /redirects/end, which is a page
//   /redirects/loop          302 to /redirects/loop-back, which leads back
//   /redirects/inside        302 to http://169.254.169.254/latest/meta-data/, where no crawler may go (not linked)
//
// Formats
//   /formats/latin1          ISO-8859-1 by header
//   /formats/meta            windows-1252 by meta tag only
//   /formats/file.pdf        not HTML
//   /formats/large           10 MB of HTML (not linked)
//   /endless/N               links to /endless/N+1 without an end (not linked)
import { CATEGORIES, listProducts, type Product } from './products.ts';
import { type PageRequest, type Pages, type Reply, redirect, reply } from './reply.ts';

export interface DemoOptions {
  /** How many products the shop has; default 48. */
  products?: number;
  /** Seconds that robots.txt asks every crawler to wait between two requests; by default it asks for nothing. */
  crawlDelay?: number;
}

const PAGE_SIZE = 12;
const OFFERS = 6;

/** The site's answers. Only the pages that fail at every first request have a memory, a counter each. */
export function createDemoPages({ products: count = 48, crawlDelay }: DemoOptions = {}): Pages {
  const products = listProducts(count);
  const everySecond = alternate();

  const fixed: Record<string, (request: PageRequest) => Reply> = {
    '/': home,
    '/robots.txt': ({ origin }) => reply(200, 'text/plain; charset=utf-8', robots(origin, crawlDelay)),
    '/sitemap.xml': ({ origin }) => reply(200, 'application/xml', sitemap(origin, products)),
    '/js/': scripted,
    '/api/offers.json': () => reply(200, 'application/json', JSON.stringify(products.slice(0, OFFERS))),
    '/private/': () => page('Private', '<p>robots.txt says that nobody crawls this.</p>'),
    '/nofollow/': () => page('Not followed', '<p>The only link to this page says nofollow.</p>'),
    '/noindex/': () =>
      page(
        'Not indexed',
        '<p><a href="/noindex/next">next</a></p>',
        '<meta name="robots" content="noindex, nofollow">',
      ),
    '/noindex/next': () => page('Behind noindex', '<p>The only link to this page is on a nofollow page.</p>'),
    '/slow/drip': () => ({ ...page('Dripping', `<p>${'drop '.repeat(2_000)}</p>`), pause: 2_000 }),
    '/slow/never': () => ({ ...page('Never', ''), silent: true }),
    '/errors/500': () => failure(500, 'Broken'),
    '/errors/403': () => failure(403, 'Please prove that you are human'),
    '/errors/429/always': () => failure(429, 'Too many requests', { 'retry-after': '1' }),
    '/redirects/chain': () => redirect(302, '/redirects/middle'),
    '/redirects/middle': () => redirect(301, 'end'),
    '/redirects/end': () => page('End of the chain', '<p>Two redirects lead here.</p>'),
    '/redirects/loop': () => redirect(302, '/redirects/loop-back'),
    '/redirects/loop-back': () => redirect(302, '/redirects/loop'),
    '/redirects/inside': () => redirect(302, 'http://169.254.169.254/latest/meta-data/'),
    '/formats/latin1': () =>
      reply(200, 'text/html; charset=ISO-8859-1', Buffer.from(html('Café in Latin-1', '<p>Übermaß</p>'), 'latin1')),
    '/formats/meta': () =>
      reply(
        200,
        'text/html',
        Buffer.from(html('Café by meta tag', '<p>Übermaß</p>', '<meta charset="windows-1252">'), 'latin1'),
      ),
    '/formats/file.pdf': () => reply(200, 'application/pdf', '%PDF-1.4\n%%EOF\n'),
    '/formats/large': () => page('Large', '<p>0123456789</p>\n'.repeat(588_235)),
    '/errors/503': () => everySecond('503', page('Back again'), failure(503, 'Down', { 'retry-after': '1' })),
    '/errors/429': () => everySecond('429', page('Enough'), failure(429, 'Too many requests', { 'retry-after': '1' })),
    '/errors/flaky': () => everySecond('flaky', page('Fine this time'), failure(500, 'Not this time')),
  };

  return (request) => {
    const known = Object.hasOwn(fixed, request.path) ? fixed[request.path] : undefined;
    return known?.(request) ?? numbered(request, products);
  };
}

/** Pages with a name or number in their path. */
function numbered({ path, query }: PageRequest, products: readonly Product[]): Reply | undefined {
  if (path === '/products/') return productList(products, Number(query.get('page') ?? 1));
  const [, area = '', name = '', ...rest] = path.split('/');
  if (name === '') return undefined;
  if (area === 'js' && name === 'offers' && rest.length === 1) return offer(products[Number(rest[0]) - 1]);
  if (rest.length > 0) return undefined;
  switch (area) {
    case 'products':
      return productPage(products[Number(name) - 1]);
    case 'categories':
      return category(name, products);
    case 'images':
      return picture(products[Number.parseInt(name, 10) - 1], name);
    case 'slow':
      return slow(Number(name));
    case 'endless':
      return endless(Number(name));
    default:
      return undefined;
  }
}

function home(): Reply {
  const links = [
    '/products/',
    ...CATEGORIES.map((name) => `/categories/${name}`),
    ...['/js/', '/private/', '/noindex/', '/slow/1', '/slow/3', '/slow/drip'],
    ...['/errors/404', '/errors/500', '/errors/503', '/errors/429', '/errors/flaky'],
    ...['/redirects/chain', '/redirects/loop', '/formats/latin1', '/formats/meta', '/formats/file.pdf'],
  ];
  return page('The Trawler demo shop', `${list(links)}<p><a href="/nofollow/" rel="nofollow">not for crawlers</a></p>`);
}

function productList(products: readonly Product[], number: number): Reply | undefined {
  const last = Math.max(1, Math.ceil(products.length / PAGE_SIZE));
  if (!Number.isInteger(number) || number < 1 || number > last) return undefined;
  const cards = products.slice((number - 1) * PAGE_SIZE, number * PAGE_SIZE).map(card);
  const previous = number > 1 ? `<a rel="prev" href="/products/?page=${number - 1}">back</a>` : '';
  const next = number < last ? `<a rel="next" href="/products/?page=${number + 1}">more</a>` : '';
  return page(`Products, page ${number} of ${last}`, `<ul class="products">${cards.join('')}</ul>${previous} ${next}`);
}

function card({ id, title, price }: Product): string {
  return `<li class="card"><a href="/products/${id}">${title}</a> <span class="price">${price.toFixed(2)} €</span></li>\n`;
}

function productPage(product: Product | undefined): Reply | undefined {
  if (product === undefined) return undefined;
  const { id, title, description, category, price, rating, inStock } = product;
  const availability = `https://schema.org/${inStock ? 'InStock' : 'OutOfStock'}`;
  const linked = {
    '@context': 'https://schema.org',
    '@type': 'Product',
    name: title,
    description,
    category,
    image: `/images/${id}.svg`,
    offers: { '@type': 'Offer', price: price.toFixed(2), priceCurrency: 'EUR', availability },
    aggregateRating: { '@type': 'AggregateRating', ratingValue: rating, reviewCount: id },
  };
  const head = [
    `<meta name="description" content="${description}">`,
    `<meta property="og:title" content="${title}">`,
    `<meta property="og:type" content="product">`,
    `<meta property="product:price:amount" content="${price.toFixed(2)}">`,
    `<script type="application/ld+json">${JSON.stringify(linked)}</script>`,
  ].join('\n');
  const body = `<article class="product" itemscope itemtype="https://schema.org/Product">
<h2 itemprop="name">${title}</h2>
<img src="/images/${id}.svg" alt="${title}" itemprop="image">
<p class="description" itemprop="description">${description}</p>
<p class="price" itemprop="offers" itemscope itemtype="https://schema.org/Offer">
<span itemprop="price" content="${price.toFixed(2)}">${price.toFixed(2)}</span> <span itemprop="priceCurrency">EUR</span>
<link itemprop="availability" href="${availability}"><span class="stock">${inStock ? 'in stock' : 'sold out'}</span></p>
<p class="rating">${rating.toFixed(1)} of 5</p>
<p>More <a class="category" href="/categories/${category}">${category}</a></p>
</article>`;
  return page(title, body, head);
}

function category(name: string, products: readonly Product[]): Reply | undefined {
  if (!CATEGORIES.some((category) => category === name)) return undefined;
  const cards = products.filter((product) => product.category === name).map(card);
  return page(`All ${name}`, `<ul class="products">${cards.join('')}</ul>`);
}

/** Without JavaScript there is neither an offer nor a link here, and the title says "Loading". */
function scripted(): Reply {
  const script = `
const offers = await (await fetch('/api/offers.json')).json();
document.querySelector('#offers').innerHTML = offers
  .map(({ id, title, price }) => '<li class="offer"><a href="/js/offers/' + id + '">' + title + '</a> ' +
    '<span class="price">' + price.toFixed(2) + ' €</span></li>')
  .join('');
document.title = document.querySelector('h1').textContent = offers.length + ' offers of the day';`;
  return page('Loading', `<ul id="offers"></ul><script type="module">${script}</script>`);
}

function offer(product: Product | undefined): Reply | undefined {
  if (product === undefined || product.id > OFFERS) return undefined;
  return page(`Offer: ${product.title}`, `<p><a href="/products/${product.id}">${product.title}</a>, today only</p>`);
}

function picture(product: Product | undefined, name: string): Reply | undefined {
  if (product === undefined || name !== `${product.id}.svg`) return undefined;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="120" height="80"><text x="10" y="45">${product.id}</text></svg>`;
  return reply(200, 'image/svg+xml', svg);
}

function slow(seconds: number): Reply | undefined {
  if (!(seconds >= 0 && seconds <= 600)) return undefined;
  return { ...page(`After ${seconds} s`, '<p>Thank you for waiting.</p>'), delay: seconds * 1_000 };
}

function endless(number: number): Reply | undefined {
  if (!Number.isSafeInteger(number) || number < 0) return undefined;
  return page(`Page ${number} of no end`, `<a href="/endless/${number + 1}">next</a>`);
}

function robots(origin: string, crawlDelay: number | undefined): string {
  const delay = crawlDelay === undefined ? [] : [`Crawl-delay: ${crawlDelay}`];
  const rules = ['User-agent: *', ...delay, 'Disallow: /private/', '', 'User-agent: ForbiddenBot', 'Disallow: /'];
  return `${[...rules, '', `Sitemap: ${origin}/sitemap.xml`].join('\n')}\n`;
}

function sitemap(origin: string, products: readonly Product[]): string {
  const lists = Array.from({ length: Math.ceil(products.length / PAGE_SIZE) }, (_, index) =>
    index === 0 ? '/products/' : `/products/?page=${index + 1}`,
  );
  const paths = ['/', ...lists, ...products.map(({ id }) => `/products/${id}`)];
  const urls = paths.map((path) => `<url><loc>${origin}${path}</loc><lastmod>2026-01-01</lastmod></url>`);
  return `<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
${urls.join('\n')}
</urlset>
`;
}

/** Answers the first, third, fifth … request of a name with `odd`, the others with `even`: no clock, no chance. */
function alternate(): (name: string, even: Reply, odd: Reply) => Reply {
  const counts = new Map<string, number>();
  return (name, even, odd) => {
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    return count % 2 === 1 ? odd : even;
  };
}

function failure(status: number, title: string, headers: Record<string, string> = {}): Reply {
  return reply(status, 'text/html; charset=utf-8', html(title, ''), headers);
}

function page(title: string, body = '', head = ''): Reply {
  return reply(200, 'text/html; charset=utf-8', html(title, body, head));
}

function html(title: string, body: string, head = ''): string {
  return `<!doctype html>
<html lang="en">
<head>
<title>${title}</title>
${head}
</head>
<body>
<h1>${title}</h1>
${body}
</body>
</html>
`;
}

function list(links: readonly string[]): string {
  return `<ul>${links.map((link) => `<li><a href="${link}">${link}</a></li>`).join('\n')}</ul>\n`;
}
