// Whatever selector a spec may have finds the same elements by the parser of render mode HTTP and in Chromium, and one that is
// taken never throws there.
import fc from 'fast-check';
import { type Browser, chromium, type Page } from 'playwright';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findChromium } from '#src/crawler/browser/chromium.ts';
import { createExtraction } from '#src/crawler/extraction/extraction.ts';
import { checkSelector } from '#src/crawler/extraction/selectors.ts';
import { readHtml } from '#src/crawler/html/html-page.ts';
import { crawlRunSpec } from '#src/resources/crawl-run.ts';

/** Each element has a number, by which it is told what was found. */
const PAGE = numbered(`<!doctype html><html lang=en><head><title>t</title><link rel=next href=/2></head><body class=a>
  <div id=x class="a b"><p class=b title="T">one<b>two</b></p><p></p><p> </p><p><!-- c --></p><i lang=de data-x=5>i</i></div>
  <ul class=b><li class=a>1</li><li>2</li><li title=t>3</li><li class="b c">4</li></ul><a href=/a>a</a><a name=n>n</a>
  <form><input type=text name=q required><input type=RADIO checked><select><option>o<option selected>p</select><button disabled>b</button>
  <fieldset disabled><input></fieldset></form><svg><a href=/s>s</a></svg><section><div><div class=a><p class=a>deep</p></div></div></section></body></html>`);

function numbered(html: string): string {
  let number = 0;
  return html.replace(/<([a-z][a-z0-9]*)(?=[\s>])/g, (tag) => `${tag} data-n="${number++}"`);
}

let browser: Browser;
let page: Page;
beforeAll(async () => {
  browser = await chromium.launch({ executablePath: findChromium() ?? '' });
  page = await browser.newPage();
  await page.setContent(PAGE);
});
afterAll(() => browser.close());

type Answer = readonly string[] | 'refused';

function byParser(selector: string): Answer {
  try {
    checkSelector('field', selector);
  } catch {
    return 'refused';
  }
  const fields = [{ name: 'n', selector, attribute: 'data-n', multiple: true }];
  const sources = [{ name: 's', urls: ['https://site.example/'] }];
  const { plan } = createExtraction(crawlRunSpec.parse({ sources, extract: { fields } }).extract);
  return readHtml(PAGE, plan).items[0]?.[0] ?? [];
}

async function byChromium(selectors: readonly string[]): Promise<Answer[]> {
  return page.evaluate(
    (all) =>
      all.map((selector) => {
        try {
          // biome-ignore lint/suspicious/noExplicitAny: the project is not compiled against the DOM.
          const { document } = globalThis as any;
          return Array.from(
            document.querySelectorAll(selector),
            (element: { getAttribute(name: string): string | null }) => element.getAttribute('data-n') ?? '',
          );
        } catch {
          return 'refused' as const;
        }
      }),
    [...selectors],
  );
}

const names = fc.constantFrom(
  'p',
  'div',
  '*',
  'li',
  'P',
  'a',
  'input',
  'option',
  'b',
  'x-y',
  '1p',
  'svg|a',
  '*|a',
  '|a',
);
const values = fc.constantFrom(
  'a',
  'b',
  'T',
  't',
  '5',
  '"5"',
  "'a b'",
  '"',
  'a b',
  '',
  '""',
  '-a',
  '--a',
  '\\35 ',
  'ä',
  'radio',
  '/a',
  '"/"',
);
const attribute = fc
  .tuple(
    fc.constantFrom('class', 'title', 'type', 'TITLE', 'data-x', 'href', 'lang', 'xlink|href', '1x'),
    fc.constantFrom('', '=', '!=', '~=', '^=', '$=', '*=', '|=', ' = ', '=='),
    values,
    fc.constantFrom('', ' i', ' s', ' I', ' x', 'i'),
  )
  .map(([name, operator, value, flag]) => (operator === '' ? `[${name}]` : `[${name}${operator}${value}${flag}]`));
const plainPseudo = fc.constantFrom(
  ...'first-child last-child only-child first-of-type last-of-type only-of-type empty root scope link any-link visited hover active focus checked disabled enabled required optional read-only read-write target indeterminate default in-range valid invalid placeholder-shown defined fullscreen open modal autofill first last eq even odd gt lt contains icontains parent header button input text selected checkbox file password radio reset image submit matches no-such-thing FIRST-CHILD'
    .split(' ')
    .map((name) => `:${name}`),
);
const nth = fc
  .tuple(
    fc.constantFrom('nth-child', 'nth-last-child', 'nth-of-type', 'nth-last-of-type', 'nth-col'),
    fc.constantFrom(
      '1',
      '2n',
      'odd',
      'even',
      '2n+1',
      '2n + 1',
      '-n+2',
      '+n',
      'n',
      '+3',
      '-2',
      '2n+ 1',
      '2 n',
      'n2',
      '',
      '+ 2n',
      '0',
      '1 of .a',
      '2n+1 of p, .a',
      'x',
      '--1',
      'ODD',
      '3N-1',
      '2n+-1',
    ),
  )
  .map(([name, formula]) => `:${name}(${formula})`);
const { complex } = fc.letrec<{ simple: string; compound: string; complex: string; list: string }>((tie) => ({
  simple: fc.oneof(
    { maxDepth: 3 },
    {
      arbitrary: fc.constantFrom(
        '.a',
        '.b',
        '#x',
        '.1',
        '#1',
        '.-a',
        '.--a',
        '.\\31',
        '::before',
        '::first-line',
        ':before',
        '.ä',
      ),
      weight: 2,
    },
    { arbitrary: attribute, weight: 3 },
    { arbitrary: plainPseudo, weight: 2 },
    { arbitrary: nth, weight: 2 },
    {
      arbitrary: fc
        .tuple(
          fc.constantFrom(
            'not',
            'is',
            'where',
            'has',
            'matches',
            '-webkit-any',
            'host',
            'lang',
            'dir',
            'contains',
            'NOT',
          ),
          fc.constantFrom('', '> ', '+ ', '~ '),
          tie('list'),
          fc.constantFrom('', '', '', ',', ' '),
        )
        .map(([name, combinator, list, end]) => `:${name}(${combinator}${list}${end})`),
      weight: 3,
    },
    fc.constantFrom(
      ':not()',
      ':is()',
      ':where()',
      ':has()',
      ':first-child()',
      ':nth-child',
      ':not',
      '/* c */',
      '&',
      '[',
      ']',
      ')',
      ':',
      '.',
      '#',
    ),
  ),
  compound: fc
    .tuple(fc.option(names, { nil: '' }), fc.array(tie('simple'), { maxLength: 2 }))
    .map(([name, parts]) => name + parts.join('')),
  complex: fc
    .tuple(
      tie('compound'),
      fc.array(fc.tuple(fc.constantFrom(' ', ' > ', '>', ' + ', '~', ' < ', '||', '>>', ' >  > '), tie('compound')), {
        maxLength: 2,
      }),
    )
    .map(([first, rest]) => first + rest.map((pair) => pair.join('')).join('')),
  list: fc.array(tie('complex'), { minLength: 1, maxLength: 2 }).map((parts) => parts.join(', ')),
}));
const selector = fc
  .tuple(fc.array(complex, { minLength: 1, maxLength: 2 }), fc.constantFrom('', '', '', '', ',', ' ', '>'))
  .map(([parts, end]) => parts.join(',') + end);

it('finds the same as Chromium, or is refused', { timeout: 180_000 }, async () => {
  const seen = { taken: 0, found: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(selector, { minLength: 200, maxLength: 200 }), async (selectors) => {
      const taken = selectors
        .map((text) => ({ text, answer: byParser(text) }))
        .filter(({ answer }) => answer !== 'refused');
      const answers = await byChromium(taken.map(({ text }) => text));
      seen.taken += taken.length;
      seen.found += taken.filter(({ answer }) => answer.length > 0).length;
      expect(taken.map(({ text }, index) => [text, answers[index]])).toEqual(
        taken.map(({ text, answer }) => [text, answer]),
      );
    }),
    { numRuns: 100 },
  );
  // A check that refuses everything would pass as well.
  expect(seen.taken).toBeGreaterThan(300);
  expect(seen.found).toBeGreaterThan(50);
});

it.each([
  'p:first-child',
  'li:nth-child(2n+1)',
  'li:nth-last-child(-n+2)',
  'div p.b[title="T"]',
  'h1, p > b',
  'a[href^="/"]',
  'p:not(.b, .a)',
  ':is(ul, ol) > li',
  'div:has(> p)',
  'section :where(div) > p',
  '[title=t i]',
  'li + li ~ li',
  'p:empty',
  'i:only-of-type',
  '[data-x="5"]',
  ':scope',
  ':scope > body > div',
  'body :scope',
  'p:nth-child(2n + 1)',
])('%s is taken', async (text) => {
  const [answer] = await byChromium([text]);
  expect(byParser(text)).toEqual(answer);
});

it.each([
  '[rel!=x]',
  '[data-x=5]',
  'a < b',
  ':contains("x")',
  ':selected',
  ':checked',
  'svg|a',
  'a || b',
  ':not(> b)',
  ':has(:has(b))',
  '.1a',
  'p:nth-child(n2)',
  'a,',
  'p::before',
])('%s is refused', (text) => {
  expect(byParser(text)).toBe('refused');
});
