// Reading runs at once leads to the same tree as parse5's own tokenizer, which reads one character after the other.
import { type AnyNode, type Document, isComment, isTag, isText } from 'domhandler';
import fc from 'fast-check';
import { parse } from 'parse5';
import { adapter } from 'parse5-htmlparser2-tree-adapter';
import { expect, it } from 'vitest';
import { parseHtml } from '#src/crawler/html/parse-document.ts';

function outline(document: Document): string {
  const show = (node: AnyNode): string => {
    if (isText(node)) return JSON.stringify(node.data);
    if (isComment(node)) return `<!--${node.data}-->`;
    if (!isTag(node)) return '';
    // parse5's adapter keeps prefixes apart.
    const attributes = Object.entries(node.attribs).map(([name, value]) => [name.replace(/^xlink:/, ''), value]);
    return `<${node.name} ${JSON.stringify(attributes)}>${node.children.map(show).join('')}</>`;
  };
  return document.children.map(show).join('');
}

const tag = fc.constantFrom(
  ...['<p>', '</p>', '<table>', '<tr><td>', '</table>', '<textarea>', '</textarea>', '<pre>', '<title>', '</title>'],
  ...['<script>', '</script>', '<style>', '</style>', '<!--', '-->', '<svg>', '<![CDATA[', ']]>', '<b>', '</b>', '<i>'],
  ...[
    '<a href="',
    '">',
    "<a title='",
    "'>",
    '<plaintext>',
    '<select>',
    '<option>',
    '<body>',
    '<html class="',
    '<template>',
  ],
  ...['<noscript>', '</noscript>', '<iframe>', '</iframe>', '<!doctype html>', '<x-y z=', '/>', '<math>', '</'],
);
const text = fc.string({
  unit: fc.constantFrom(
    ...['a', 'b', ' ', '\t', '\n', '\r', '\r\n', '\f', '\0', '&', '&amp;', '&#13;', '&#10;', '&#x20;', '&notin;', '<'],
    ...['>', '"', "'", '=', '/', '-', '!', '?', ']', 'é', '漢', '😀', '\ud800', '\udc00', '\ufeff', '\u0085', '\u00a0'],
  ),
});

it('leads to the same tree', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(tag, text, text), { maxLength: 20 }), (parts) => {
      const html = parts.join('');
      expect(outline(parseHtml(html))).toBe(outline(parse(html, { treeAdapter: adapter })));
    }),
    { numRuns: 3_000 },
  );
});

it('leads to the same tree in documents that are longer than what is kept of them', () => {
  const paragraph = `<p title="${'t &amp; '.repeat(50)}">\r\n  words & <b>more</b> words 😀 \0 <!-- c --></p>\n`;
  const html = `<title> a\r\nb </title>${paragraph.repeat(1_000)}`;
  expect(outline(parseHtml(html))).toBe(outline(parse(html, { treeAdapter: adapter })));
});
