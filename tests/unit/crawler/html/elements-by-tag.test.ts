// What is found by names alone is what css-select finds, in the same order.
import { selectAll } from 'css-select';
import { isTag } from 'domhandler';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { elementsByTag, namesOfSelector } from '#src/crawler/html/elements-by-tag.ts';
import { parseHtml, parseXml } from '#src/crawler/html/parse-document.ts';

it.each([
  ['title', ['title']],
  ['a[href], area[href]', ['a', 'area']],
  ['meta[http-equiv="refresh" i][content]', ['meta']],
  ['.price', undefined],
  ['[itemprop]', undefined],
  ['a b', undefined],
  ['a > b', undefined],
  ['a:first-child', undefined],
  ['a, .b', undefined],
  ['*', undefined],
  ['A', undefined],
  ['a[title="x, b"]', undefined],
  ['', undefined],
])('%j names %j', (selector, names) => {
  expect(namesOfSelector(selector)).toEqual(names);
});

it('finds the same elements in document order', () => {
  const tag = fc.constantFrom(
    '<a>',
    '</a>',
    '<b>',
    '</b>',
    '<p>',
    '<div>',
    '</div>',
    '<table>',
    '<td>',
    '<template>',
    'x',
  );
  fc.assert(
    fc.property(
      fc.array(tag),
      fc.uniqueArray(fc.constantFrom('a', 'b', 'p', 'td', 'none'), { minLength: 1 }),
      (parts, names) => {
        const document = parseHtml(parts.join(''));
        expect(elementsByTag(document)(names)).toEqual(selectAll(names.join(), document).filter(isTag));
        expect(elementsByTag(document)(undefined)).toEqual(selectAll('*', document).filter(isTag));
      },
    ),
  );
});

it('finds nothing in a template, not even in XML, where its content is among its children', () => {
  const document = parseXml('<html><template><a href="/no"/></template><a href="/yes"/></html>');
  const anchors = elementsByTag(document)(['a']);
  expect(anchors.map(({ attribs }) => attribs['href'])).toEqual(['/yes']);
  expect(anchors).toEqual(selectAll('a', document));
  expect(elementsByTag(document)(undefined)).toEqual(selectAll('*', document));
});
