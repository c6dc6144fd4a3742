// What was read from a page, before types and URLs are made of it.
import type { Truncation } from '../../gateway/protocol/worker-store.ts';

/** What was found, as text: types and URLs are made of it later, outside of the browser. */
export type RawPage = {
  /** What references are relative to: the `href` of the first `<base>`, or the whole URL where a browser says so. */
  readonly base: string | null;
  /** The page's language as it says (HTML, 3.2.6.2), perhaps malformed. */
  readonly language: string | null;
  /** The name of the document's encoding, such as `windows-1251`. */
  readonly encoding: string;
  readonly title: string;
  /** The first `<h1>`; without one the first `<h2>`, or `<h3>`. */
  readonly heading: string;
  readonly links: readonly string[];
  /** Links beyond the plan's bound. */
  readonly linksLeftOut: number;
  /** Positions in `links` of those that the page does not vouch for (`rel=nofollow`). */
  readonly nofollow: readonly number[];
  /** The content of each `<meta http-equiv=refresh>`, see refresh.ts. */
  readonly refreshes: readonly string[];
  /** Documents of frames that are not a part of what was read. */
  readonly frames: readonly string[];
  /** The first `<link rel=canonical>`. */
  readonly canonical: string | null;
  /** The `href` of the link to the next page. */
  readonly next: string | null;
  /** Name and content of meta tags that may hold rules for crawlers. */
  readonly robots: readonly (readonly [string, string])[];
  /** The first of the document's text, its title included. */
  readonly beginning: string;
  /** The signs of the plan that were found. */
  readonly signs: readonly string[];
  /** Whether a visitor would see nothing at all. */
  readonly isEmpty: boolean;
  /** For each item the values of each field, in the order of the plan. */
  readonly items: readonly (readonly (readonly string[])[])[];
  /** Items beyond the plan's bound. */
  readonly itemsLeftOut: number;
  /** For each item its microdata, in document order; nothing without `structuredData`, as the next two. */
  readonly microdata: readonly (readonly RawProperty[])[];
  /** The same for RDFa. */
  readonly rdfa: readonly (readonly RawProperty[])[];
  /** The text of each JSON-LD script. */
  readonly jsonLd: readonly string[];
  /** `name` or `property` and `content` of meta tags. */
  readonly meta: readonly (readonly [string, string])[];
  /** For each item the address and the `alt` of its images. */
  readonly images: readonly (readonly (readonly [string, string])[])[];
  /** For each item the address and the text of its links. */
  readonly itemLinks: readonly (readonly (readonly [string, string])[])[];
  readonly html: string;
  /** What was more than the plan's bounds. */
  readonly truncated: readonly Truncation[];
};

/** An element with `itemprop`, `itemscope` or both; of RDFa, with `property`, `typeof` or both. */
export type RawProperty = {
  /** Index in the list of the scope that it belongs to, which may come later; -1 without a scope within the item. */
  readonly scope: number;
  /** As written: names between spaces. Empty for an `itemscope` that is nobody's property. */
  readonly names: string;
  /** The type, perhaps empty, of an element that is a scope; null for any other. */
  readonly type: string | null;
  readonly value: string;
};
