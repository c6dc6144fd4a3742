// Whether a redirect that leads out of a source's scope is followed through: pages for consent and single sign-on lead back, and
// the links of a portal to other sites do not. Each of those would cost a request to a host that is no part of the run.
import { hostKey } from '../urls/url.ts';

/** Redirects out of the scope in a row that did not lead back; after that no new host is passed through. */
const MAX_WITHOUT_RETURN = 20;
/** Hosts that have led back. */
const MAX_HOSTS = 1_000;

export type Passages = {
  readonly isOpen: (source: string, to: URL) => boolean;
  /** Where a visit of the source came through, and whether it came back. */
  readonly ended: (source: string, through: readonly URL[], cameBack: boolean) => void;
};

export function createPassages(): Passages {
  const withoutReturn = new Map<string, number>();
  const open = new Set<string>();
  const keyOf = (source: string, url: URL) => `${source} ${hostKey(url)}`;
  return {
    isOpen: (source, to) => (withoutReturn.get(source) ?? 0) < MAX_WITHOUT_RETURN || open.has(keyOf(source, to)),
    ended(source, through, cameBack) {
      if (through.length === 0) return;
      withoutReturn.set(source, cameBack ? 0 : (withoutReturn.get(source) ?? 0) + 1);
      for (const url of cameBack ? through : []) if (open.size < MAX_HOSTS) open.add(keyOf(source, url));
    },
  };
}
