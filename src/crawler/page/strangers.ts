// Where visitors without cookies are worth a second request: they may be sent elsewhere for that alone, and a page that they
// are sent away from would be lost, since the page that they are sent to is known already.
import QuickLRU from 'quick-lru';
import { registrableDomain } from '../urls/scope.ts';

/** Sites that are remembered. */
const MAX_SITES = 1_000;

export type Strangers = {
  /** Whether a visitor who was redirected without a cookie asks once more. */
  readonly mayAskAgain: (url: URL) => boolean;
  /** What came of it: whether the answer was another one. */
  readonly asked: (url: URL, wasWorthIt: boolean) => void;
};

/** A site whose redirects lead to the same place with cookies and without is not asked again. */
export function createStrangers(): Strangers {
  const same = new QuickLRU<string, true>({ maxSize: MAX_SITES });
  return {
    mayAskAgain: (url) => !same.has(registrableDomain(url)),
    asked(url, wasWorthIt) {
      if (wasWorthIt) same.delete(registrableDomain(url));
      else same.set(registrableDomain(url), true);
    },
  };
}
