// Links and outcomes as the calls carry them.
import type { CallRequest } from '../../gateway/protocol/calls.ts';
import { urlKey } from '../../gateway/protocol/url-key.ts';
import type { Discovery, Outcome } from '../../gateway/protocol/worker-store.ts';
import type { KnownUrls } from './known-urls.ts';

type LinkRow = CallRequest<'add-links'>['links'][number];
type OutcomeRow = CallRequest<'commit'>['outcomes'][number];

export function linkRow(link: Discovery): LinkRow {
  const { url, host, source, depth, redirects, listingPage, excludedBy, kind } = link;
  const common = {
    ...{ url, host, source, depth },
    ...(redirects === undefined ? {} : { redirects: [...redirects] }),
    ...(listingPage === undefined ? {} : { listingPage }),
    ...(excludedBy === undefined ? {} : { excludedBy }),
  };
  // A page may link to its sitemap as to any other file: that is another request.
  return kind === 'Sitemap'
    ? { ...common, key: urlKey(`sitemap ${url}`), sitemap: true }
    : { ...common, key: urlKey(url) };
}

/** The links that may be new to the frontier, each once, with the requests that they were found at. */
export function newLinks(outcomes: readonly Outcome[], known: KnownUrls): LinkRow[] {
  const links = new Map<string, LinkRow & { readonly from: string[] }>();
  for (const outcome of outcomes) {
    for (const link of outcome.links ?? []) {
      const row = linkRow(link);
      if (known.has(row.key, row.depth)) continue;
      const earlier = links.get(row.key);
      const from = [...(earlier?.from ?? []), outcome.claim.requestId];
      const nearer = earlier !== undefined && earlier.depth <= row.depth ? earlier : row;
      links.set(row.key, { ...nearer, from });
    }
  }
  return [...links.values()];
}

export function outcomeRow(outcome: Outcome): OutcomeRow {
  const { claim, type, scopeMoves, cutAtDepth } = outcome;
  const ofLinks = {
    ...(scopeMoves === undefined ? {} : { scopeMoves }),
    ...(cutAtDepth === undefined ? {} : { maxDepth: cutAtDepth }),
  };
  const facts = Object.keys(ofLinks).length === 0 ? outcome.facts : { ...outcome.facts, ...ofLinks };
  const common = {
    ...{ key: claim.requestId, token: claim.leaseToken, type },
    ...(facts === undefined ? {} : { facts }),
    ...(outcome.leftOut === undefined ? {} : { leftOut: outcome.leftOut }),
  };
  switch (outcome.type) {
    case 'done': {
      const { items, itemsLeftOut, page } = outcome;
      return {
        ...common,
        items: [...items],
        ...(itemsLeftOut === undefined ? {} : { itemsLeftOut }),
        ...(page === undefined ? {} : { page }),
      };
    }
    case 'skipped':
      return {
        ...common,
        reason: outcome.reason,
        ...(outcome.judgedBy === undefined ? {} : { judgedBy: outcome.judgedBy }),
      };
    case 'retry':
      return { ...common, cause: outcome.cause, message: outcome.message, delayMs: outcome.delayMs };
    case 'dead': {
      const { cause, message, itemsLeftOut } = outcome;
      return { ...common, cause, message, ...(itemsLeftOut === undefined ? {} : { itemsLeftOut }) };
    }
    case 'released':
      return common;
  }
}
