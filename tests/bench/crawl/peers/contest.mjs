// What each peer is told, and what it has to say in the end: every page once, with what was read from it.

/** @type {{ start: string, pages: number, concurrency: number, chromium: string, switches: string[] }} */
export const task = JSON.parse(process.env['BENCH_TASK'] ?? '{}');

/** By path, so that a page which was read twice counts once.
 * @type {Map<string, { path: string, title: string, price: number }>} */
const results = new Map();

/** @param {string} url @param {{ title: string, price: string, description: string }} read */
export function keep(url, read) {
  const path = new URL(url).pathname;
  results.set(path, { path, title: read.title, price: Number(/[\d.]+/.exec(read.price)?.[0]) });
}

/** To be called when the last result is there. Resolves when all of it is written: a process that exits sooner cuts it off. */
export function finish() {
  const endedAt = Date.now();
  const line = `${JSON.stringify({ endedAt, results: [...results.values()] })}\n`;
  return new Promise((resolve) => process.stdout.write(line, resolve));
}

/** One evaluation for all; runs in the page. */
export function readInPage() {
  const text = (/** @type {string} */ selector) => document.querySelector(selector)?.textContent?.trim() ?? '';
  return {
    title: text('h1'),
    price: text('.price'),
    description: text('.description'),
    links: Array.from(document.querySelectorAll('a[href]'), (a) => /** @type {HTMLAnchorElement} */ (a).href),
  };
}

/** The same of a parsed document. @param {import('cheerio').CheerioAPI} $ @param {string} url */
export function readParsed($, url) {
  const text = (/** @type {string} */ selector) => $(selector).first().text().trim();
  return {
    title: text('h1'),
    price: text('.price'),
    description: text('.description'),
    links: $('a[href]')
      .toArray()
      .map((a) => new URL($(a).attr('href') ?? '', url).href),
  };
}
