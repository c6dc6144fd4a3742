// The script for the browser has to stand for itself, also when it has gone through a bundler.
import { runInNewContext } from 'node:vm';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { pageScript, parseRawPage } from '#src/crawler/browser/page-script.ts';
import type { PagePlan } from '#src/crawler/html/page-plan.ts';

const plan: PagePlan = {
  itemSelector: null,
  fields: [{ selector: 'h1', take: 'text', multiple: false }],
  structuredData: false,
  images: true,
  itemLinks: true,
  html: true,
  next: '.next',
  screenshot: null,
  signs: ['#challenge', '#other'],
  limits: {
    ...{ links: 10, items: 10, refreshes: 10, jsonLd: 100, values: 10 },
    ...{ characters: 100, linkText: 10, html: 100, beginning: 50 },
  },
};

const text = { nodeType: 3, data: ' Hello ', childNodes: [] };
const heading = {
  nodeType: 1,
  localName: 'h1',
  childNodes: [text],
  getAttribute: () => null,
  querySelectorAll: () => [],
};
const link = { nodeType: 1, localName: 'a', childNodes: [], getAttribute: () => '/x', querySelectorAll: () => [] };
const found: Record<string, unknown[]> = {
  h1: [heading],
  'a[href], area[href]': [link],
  '#challenge': [heading],
  '.next': [link],
};
const document = {
  nodeType: 9,
  documentElement: { outerHTML: '<html></html>' },
  childNodes: [heading],
  querySelectorAll: (selector: string) => found[selector] ?? [],
};

/** Nothing is there but the document and the language itself. */
function evaluate(script: string) {
  return parseRawPage(runInNewContext(script, { document }));
}

const expected = {
  base: null,
  encoding: 'UTF-8',
  title: '',
  language: null,
  heading: 'Hello',
  links: ['/x'],
  linksLeftOut: 0,
  nofollow: [],
  refreshes: [],
  frames: [],
  canonical: null,
  next: '/x',
  robots: [],
  beginning: 'Hello',
  signs: ['#challenge'],
  isEmpty: false,
  items: [[['Hello']]],
  itemsLeftOut: 0,
  microdata: [],
  rdfa: [],
  jsonLd: [],
  meta: [],
  images: [[]],
  itemLinks: [[['/x', '/x']]],
  html: '<html></html>',
  truncated: [],
};

async function bundled(options: { minify: boolean; keepNames: boolean }): Promise<string> {
  const result = await build({
    stdin: {
      contents: `import { pageScript } from './src/crawler/browser/page-script.ts'; globalThis.script = pageScript(plan, 'a.example');`,
      resolveDir: process.cwd(),
    },
    bundle: true,
    write: false,
    platform: 'node',
    format: 'iife',
    target: 'node24',
    ...options,
  });
  const sandbox = { plan, script: '', process, URL, TextEncoder, TextDecoder };
  runInNewContext(`globalThis = this; ${result.outputFiles[0]?.text}`, sandbox);
  return sandbox.script;
}

describe('the page script', () => {
  it('reads a page from source', () => {
    expect(evaluate(pageScript(plan, 'a.example'))).toEqual(expected);
  });

  it.each([
    { minify: false, keepNames: false },
    { minify: false, keepNames: true },
    { minify: true, keepNames: false },
  ])('reads a page when it was bundled with %j', async (options) => {
    expect(evaluate(await bundled(options))).toEqual(expected);
  });

  it.each([undefined, '{', '{}', '[]', '{"base":1,"title":"","heading":"","links":[],"items":[]}'])(
    'believes no page that answers %j',
    (answer) => {
      expect(() => parseRawPage(answer)).toThrow();
    },
  );
});
