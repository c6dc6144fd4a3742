// URL schemes of real sites: none of their pages is taken for a trap, or for another page.
import { describe, expect, it } from 'vitest';
import { createLinkFilter, createVerdicts, type LinkFilter } from '#src/crawler/discovery/link-filter.ts';
import { createScope } from '#src/crawler/urls/scope.ts';
import { crawlRunSpec } from '#src/resources/crawl-run.ts';

const PAGES = 20_000;
const LINKS_OF_A_PAGE = 250;

const two = (number: number) => String(number).padStart(2, '0');
const hash = (number: number, length: number) =>
  ((BigInt(number) * 11_400_714_819_323_198_485n) % 2n ** 64n).toString(16).padStart(16, '0').slice(0, length);
const word = (number: number) =>
  number.toString(26).replace(/./g, (digit) => String.fromCharCode(97 + Number.parseInt(digit, 26)));
const day = (number: number) => new Date(Date.UTC(1970, 0, 1 + number)).toISOString().slice(0, 10);
const month = (number: number) => `${1_800 + Math.floor(number / 12)}-${two((number % 12) + 1)}`;

/** By what uses them: the URL of the page with a number. */
const SCHEMES: Readonly<Record<string, (number: number) => string>> = {
  'OpenCart product': (n) => `/index.php?route=product/product&path=20_${n % 30}&product_id=${n}`,
  'OpenCart category page': (n) => `/index.php?route=product/category&path=${n % 100}&page=${n}`,
  'osCommerce product': (n) => `/product_info.php?cPath=1_${n % 40}&products_id=${n}&language=en`,
  'Magento product': (n) => `/catalog/product/view/id/${n}/category/${n % 50}/`,
  'WooCommerce product': (n) => `/product/${word(n)}/`,
  'Shopify product in a collection': (n) => `/collections/${word(n % 30)}/products/${word(n)}`,
  'PrestaShop product': (n) => `/index.php?id_product=${n}&controller=product&id_lang=1`,
  'a shop with facets and ids': (n) => `/p?cat=${n % 9}&brand=${n % 70}&size=${n % 12}&sku=${n}`,
  'a spare-parts catalogue': (n) => `/parts/${1_000 + Math.floor(n / 31)}-${two((n % 31) + 1)}`,
  'parts by number and page': (n) => `/parts/${2_000 + Math.floor(n / 12)}/${(n % 12) + 1}`,
  'phpBB topic': (n) => `/viewtopic.php?f=${n % 20}&t=${n}`,
  'phpBB pages of few topics': (n) => `/viewtopic.php?f=1&t=${n % 200}&start=${Math.floor(n / 200) * 15}`,
  'phpBB post': (n) => `/viewtopic.php?f=${n % 20}&t=${n % 900}&p=${n}`,
  'Simple Machines topic': (n) => `/index.php?topic=${20_000 + n}`,
  'Simple Machines topic with offset': (n) => `/index.php?topic=${20_000 + n}.0`,
  'vBulletin thread': (n) => `/showthread.php?${n}-${word(n)}`,
  'XenForo thread page': (n) => `/threads/${word(n % 300)}.${n % 300}/page-${Math.floor(n / 300)}`,
  'Discourse topic': (n) => `/t/${word(n)}/${n}`,
  'a board of boards': (n) => `/read.cgi?bbs=${n % 30}&key=${Math.floor(n / 30) % 70}&page=${Math.floor(n / 2_100)}`,
  'MediaWiki page': (n) => `/wiki/${word(n)}_(${word(n % 7)})`,
  'MediaWiki revision': (n) => `/index.php?title=Main&oldid=${n}&diff=prev`,
  'MediaWiki history': (n) => `/index.php?title=${word(n)}&action=history&limit=500`,
  'DokuWiki page': (n) => `/doku.php?id=ns:${word(n)}`,
  'a news archive by day': (n) => `/archive/${day(n).replaceAll('-', '/')}/`,
  'a news archive by day with dashes': (n) => `/archive/${day(n)}`,
  'a news archive by query': (n) => `/archive?date=${day(n)}`,
  'a newspaper of two centuries': (n) => `/issues/${month(n % 2_700)}/${Math.floor(n / 2_700)}`,
  'WordPress post': (n) => `/${day(n % 9_000).replaceAll('-', '/')}/${word(n)}/`,
  'WordPress query': (n) => `/?p=${n}`,
  'a conference site': (n) => `/program.php?year=2026&day=2&sessionid=${n}`,
  'a session of a conference': (n) => `/session?session=${n}`,
  'a sports site by season': (n) => `/results?season=${1_950 + (n % 76)}&league=${n % 130}&team=${Math.floor(n / 70)}`,
  Bugzilla: (n) => `/show_bug.cgi?id=${n}`,
  'Bugzilla attachment': (n) => `/attachment.cgi?id=${n}&action=edit&bug=${n % 99}`,
  'Trac ticket': (n) => `/ticket/${n}`,
  'Jira issue': (n) => `/browse/PROJ-${n}`,
  'Redmine issues': (n) => `/issues/${n}?tab=history`,
  'GitLab issue': (n) => `/group/project/-/issues/${n}`,
  'a ticket system by date': (n) => `/tickets/${day(n % 5_000)}-${n}`,
  'Mailman archive': (n) =>
    `/pipermail/list/${1_990 + (n % 36)}-${['January', 'May', 'July'][n % 3]}/${String(n).padStart(6, '0')}.html`,
  'a mailing list by month': (n) =>
    `/archives/list/${word(n % 20)}/${1_940 + (Math.floor(n / 20) % 84)}/${two((Math.floor(n / 1_680) % 12) + 1)}`,
  'a library catalogue': (n) => `/cgi-bin/koha/opac-detail.pl?biblionumber=${n}`,
  'a library catalogue with views': (n) => `/record=b${n}?lang=eng&view=full&suite=def`,
  'a museum by inventory number': (n) => `/object/${1_850 + Math.floor(n / 150)}.${n % 150}`,
  'an archive by year and number': (n) => `/documents/${1_800 + (n % 400)}/${Math.floor(n / 400)}`,
  'laws by year': (n) => `/law/${1_850 + (n % 176)}-${two((Math.floor(n / 176) % 99) + 1)}-${Math.floor(n / 17_424)}`,
  'a code browser': (n) => `/src/main/java/org/${word(n)}/${word(n)}/impl/${word(n)}.html`,
  'files by the beginnings of names': (n) =>
    `/pool/${hash(n, 1)}/${hash(n, 2)[1]}/${hash(n, 3)[2]}/${hash(n, 16)}.html`,
  'files by short folders': (n) => `/f/f/f/${hash(n, 16)}.html`,
  'a dictionary': (n) => `/define/${word(n)}/${word(n)}`,
  'an atlas by coordinates': (n) => `/map?lat=${(n % 200) / 10}&lon=${Math.floor(n / 200) / 10}&zoom=8`,
  timetables: (n) => `/trip?origin=${n % 28}&target=${Math.floor(n / 28) % 28}&line=${Math.floor(n / 784)}`,
  'a hotel portal': (n) => `/hotel/${word(n)}.html?aid=${n % 3}&lang=en&currency=EUR`,
  'an auction house': (n) => `/lot?sale=${2_000 + (n % 26)}-${two((n % 12) + 1)}&lot=${n}`,
  'a job portal': (n) => `/jobs?id=${202_000 + n}`,
  'offsets that look like months': (n) => `/list?start=${n * 10}`,
  'prices from and to': (n) => `/search?from=${n}&to=${n + 10}`,
  'a Lotus Domino database': (n) => `/db.nsf/0/${hash(n, 16)}${hash(n + 1, 16)}?OpenDocument`,
  'ASP.NET by GUID': (n) => `/item.aspx?guid=${hash(n, 8)}-${hash(n + 1, 4)}-4000-8000-${hash(n + 2, 12)}`,
  'days of an almanac': (n) => `/almanac/${day(n)}?place=berlin`,
};

function filter(): LinkFilter {
  const spec = crawlRunSpec.parse({ sources: [{ name: 'site', urls: ['http://a.example/'] }] });
  const [source] = spec.sources;
  if (source === undefined) throw new Error('no source');
  const choose = createLinkFilter(source, spec, createVerdicts(), () => {});
  const { followsLink: within } = createScope(source);
  return (links, finding) => choose(links, { ...finding, within });
}

/** What is followed when each page of the scheme links to the next ones. */
function followed(urlOf: (number: number) => string, textOf: (number: number) => string | undefined) {
  const choose = filter();
  const urls = new Set<string>();
  let leftOut = 0;
  for (let number = 0; number < PAGES; number += LINKS_OF_A_PAGE) {
    // Pages are read in the order in which they were found, each before its links are.
    for (let read = number - LINKS_OF_A_PAGE; read < number; read += 5) {
      const text = textOf(read);
      if (read < 0 || text === undefined) continue;
      choose(
        { references: [], base: 'http://a.example/', unread: 0 },
        { depth: 1, within: () => true, page: new URL(urlOf(read), 'http://a.example/'), text },
      );
    }
    const references = Array.from({ length: LINKS_OF_A_PAGE }, (_, link) => urlOf(number + link));
    const chosen = choose({ references, base: 'http://a.example/', unread: 0 }, { depth: 1, within: () => true });
    for (const url of chosen.follow) urls.add(url.href);
    leftOut += Object.values(chosen.leftOut).reduce((sum, links) => sum + links, 0);
  }
  return { urls: urls.size, leftOut };
}

describe('of a real site none of 20,000 pages is lost', () => {
  it.each(Object.keys(SCHEMES))('%s', (name) => {
    const urlOf = SCHEMES[name];
    if (urlOf === undefined) throw new Error('no scheme');
    const distinct = new Set(Array.from({ length: PAGES }, (_, number) => urlOf(number))).size;
    expect(distinct, 'the scheme itself').toBe(PAGES);
    expect(
      followed(urlOf, () => undefined),
      'before anything was read',
    ).toEqual({ urls: PAGES, leftOut: 0 });
    const text = (number: number) => `An entry about ${word(number * 7_919)}`;
    expect(followed(urlOf, text), 'with pages that say something').toEqual({ urls: PAGES, leftOut: 0 });
  });
});
