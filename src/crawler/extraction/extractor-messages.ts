// What a worker and its extractor process tell each other, and what a custom extractor is given and may answer.
import { z } from 'zod';
import type { FetchFacts, ItemData } from '../../gateway/protocol/worker-store.ts';

/** What the extractor process is started with, as its only argument, in JSON. */
export type ExtractorStart = {
  /** Path of the custom extractor's module; without it there is none. */
  readonly modulePath?: string;
};

/** One page. */
export type ExtractorJob = {
  readonly url: string;
  readonly html: string;
  /** What fields, images and links gave. */
  readonly items: readonly ItemData[];
  /** Whether the main text is added to the items. */
  readonly wantsText: boolean;
  readonly response: Pick<FetchFacts, 'status' | 'contentType'>;
};

export type FromExtractor =
  | { readonly type: 'ready' }
  /** The module cannot be used at all. */
  | { readonly type: 'refused'; readonly message: string }
  /** The answer as JSON. `isTextCut`: the page has more main text than was read or kept. */
  | { readonly type: 'done'; readonly json: string; readonly isTextCut?: true }
  | { readonly type: 'failed'; readonly message: string };

/** The argument of a custom extractor. */
export type ExtractorInput = Pick<ExtractorJob, 'url' | 'html' | 'items' | 'response'> & {
  /** The page parsed, without its scripts having run; parsed when it is first asked for. */
  readonly document: object;
};

/** Bounds on the answer of a custom extractor for one page. */
export const MAX_ITEMS = 1_000;
export const MAX_LINKS = 10_000;
export const MAX_JSON = 4_000_000;

const item = z.record(z.string().max(1_000), z.unknown());
const items = z.array(item).max(MAX_ITEMS);

/** What a custom extractor may answer: items, or items with links to be followed besides those of the page. */
export const extractorAnswer = z.union([
  items.transform((items) => ({ items, links: [] as string[] })),
  z.object({ items, links: z.array(z.string()).max(MAX_LINKS).default([]) }),
]);
export type ExtractorAnswer = {
  readonly items: readonly ItemData[];
  readonly links: readonly string[];
  /** The page has more main text than was read or kept. */
  readonly isTextCut?: true;
};
