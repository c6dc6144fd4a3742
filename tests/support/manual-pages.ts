// The pages of the PostgreSQL manual as its files tell them: what a crawl of it has to find.
import { packageFiles } from './debian-package.ts';

/** Title and first heading; one page, the legal notice, has no heading. */
export type PageText = readonly [title: string, heading: string | null];

/**
 * Walks the files under `root` from index.html, by regular expressions: nothing of the crawler is used. Refers to
 * nothing outside of itself, so that it can be sent to where the files are. Path to what the page says.
 */
export function walkFiles(root: string): Record<string, PageText> {
  const { readFileSync } = process.getBuiltinModule('node:fs');
  const named: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0' };
  const text = (html: string) =>
    html
      .replace(/<[^>]*>/g, '')
      .replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)))
      .replace(/&#x([0-9a-f]+);/gi, (_, code) => String.fromCodePoint(Number.parseInt(code, 16)))
      .replace(/&([a-z]+);/g, (whole, name) => named[name] ?? whole)
      .replace(/\s+/g, ' ')
      .trim();
  const pages: Record<string, PageText> = {};
  const open = ['index.html'];
  while (open.length > 0) {
    const path = open.pop() as string;
    if (pages[path]) continue;
    const html = readFileSync(`${root}/${path}`, 'utf8');
    const title = /<title>([\s\S]*?)<\/title>/.exec(html)?.[1];
    const heading = /<h[123][^>]*>([\s\S]*?)<\/h[123]>/.exec(html)?.[1];
    pages[path] = [text(title ?? ''), heading === undefined ? null : text(heading)];
    for (const [, href] of html.matchAll(/<a\s[^>]*?href="([^"#]+)[^"]*"/g)) {
      if (href && !/^[a-z]+:/i.test(href) && href.endsWith('.html')) open.push(href);
    }
  }
  return pages;
}

export function manualFiles(): Promise<string> {
  return packageFiles('postgresql-doc-15', 'usr/share/doc/postgresql-doc-15/html');
}
