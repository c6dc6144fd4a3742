// What a page's HTML says of the scripts that make it.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseHtml } from '#src/crawler/html/parse-document.ts';
import { scriptSignsOf } from '#src/crawler/html/script-signs.ts';

const NONE = { scripts: 0, textLength: 0, hasEmptyRoot: false, asksForScripts: false };

it.each([
  ['nothing', '', {}],
  ['text', '<title>Title</title><p>one two</p>\n<b>three</b>', { textLength: 11 }],
  ['scripts', '<script src=a.js></script><SCRIPT type=module>let x</SCRIPT><p>x', { scripts: 2, textLength: 1 }],
  ['data that is no script', '<script type="application/ld+json">{}</script>', {}],
  ['styles, templates and drawings, which nobody reads', '<style>a</style><template>b</template><svg>c</svg>', {}],
  ['an empty root', '<body><div id="root"></div></body>', { hasEmptyRoot: true }],
  ['a root that says to wait', '<div id=app><p>Loading …</p></div>', { hasEmptyRoot: true, textLength: 8 }],
  ['a root of its own kind', '<app-root></app-root>', { hasEmptyRoot: true }],
  ['a full root', `<div id=__next><p>${'x'.repeat(50)}</p></div>`, { textLength: 50 }],
  ['a word to visitors without', '<noscript>Please enable JavaScript</noscript>', { asksForScripts: true }],
  [
    'another place for them',
    '<noscript><meta http-equiv=Refresh content="0;url=/no"></noscript>',
    { asksForScripts: true },
  ],
  ['an image for them', '<noscript><img src=/pixel>not counted</noscript>', {}],
  ['what is never closed', '<div id=root><noscript>JavaScript', { hasEmptyRoot: true, asksForScripts: true }],
])('sees %s', (_, html, expected) => {
  expect(scriptSignsOf(parseHtml(html))).toEqual({ ...NONE, ...expected });
});

it('takes whatever it is given', () => {
  const tag = fc.constantFrom(
    '<div id=root>',
    '</div>',
    '<noscript>',
    '</noscript>',
    '<script>',
    '</script>',
    '<p',
    '>',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(tag, fc.string())), (parts) => {
      const html = parts.join('');
      const signs = scriptSignsOf(parseHtml(html));
      expect(signs.textLength).toBeLessThanOrEqual(html.length);
    }),
  );
});
