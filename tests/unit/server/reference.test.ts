// The reference page holds every route and field of the document, and loads nothing.
import { expect, test } from 'vitest';
import { apiDocument } from '#src/server/app.ts';
import { type Document, kindOf } from '#src/server/reference/operations.ts';
import { referencePage } from '#src/server/reference/page.ts';

const document = apiDocument() as Document;
const page = referencePage(document);

test('every route, its query and its body are on the page', () => {
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, { parameters = [] }] of Object.entries(operations)) {
      expect(page).toContain(`<b>${method.toUpperCase()}</b> ${path}</h3>`);
      for (const { name, in: place } of parameters)
        if (place === 'query') expect(page).toContain(`<code>${name}</code>`);
    }
  }
});

test('every link leads to something on the page, and nothing is loaded from anywhere', () => {
  const ids = new Set([...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id));
  const links = [...page.matchAll(/ href="([^"]+)"/g)].map(([, to = '']) => to);
  expect(links.length).toBeGreaterThan(20);
  expect(links.filter((to) => !ids.has(to.replace(/^#/, '')))).toEqual([]);
  expect(page).not.toMatch(/<script|<link|<img|src=|url\(|@import|\[object Object\]|undefined/);
});

test('what a description holds is text and no markup', () => {
  const summary = '<script>alert(1)</script>';
  const paths = { '/x': { get: { summary, tags: ['T'], responses: { 200: { description: '"&' } } } } };
  const shown = referencePage({ paths });
  expect(shown).toContain('&lt;script&gt;');
  expect(shown).not.toContain('<script');
});

test.each([
  [{ type: 'string' }, 'string'],
  [{ type: ['string', 'null'] }, 'string | null'],
  [{ enum: ['a', 'b'], type: 'string' }, 'a | b'],
  [{ $ref: '#/components/schemas/Item' }, 'Item'],
  [{ type: 'array', items: { $ref: '#/components/schemas/Item' } }, 'Item[]'],
  [{ type: 'array', items: { enum: ['a', 'b'] } }, '(a | b)[]'],
  [{}, 'any'],
])('the kind of %j is %s', (schema, kind) => {
  expect(kindOf(schema)).toBe(kind);
});
