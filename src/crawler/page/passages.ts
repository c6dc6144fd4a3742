// Whether a redirect that leads out of a source's scope is followed through: pages for consent and single sign-on lead back, and
// the links of a portal to other sites do not. Those would cost a request each, to hosts that are none of the run's business.
import { hostKey } from '../urls/url.ts';

/** Ways out in a row that did not lead back, after which no new host is passed through. */
const ENOUGH_IN_VAIN = 20;
/** Hosts that have led back. */
const MAX_HOSTS = 1_000;

export type Passages = {
  readonly isOpen: (source: string, to: URL) => boolean;
  /** Where a visit of the source came through, and whether it came back. */
  readonly ended: (source: string, through: readonly URL[], cameBack: boolean) => void;
};

export function createPassages(): Passages {
  const inVain = new Map<string, number>();
  const open = new Set<string>();
  const keyOf = (source: string, url: URL) => `${source} ${hostKey(url)}`;
  return {
    isOpen: (source, to) => (inVain.get(source) ?? 0) < ENOUGH_IN_VAIN || open.has(keyOf(source, to)),
    ended(source, through, cameBack) {
      if (through.length === 0) return;
      inVain.set(source, cameBack ? 0 : (inVain.get(source) ?? 0) + 1);
      for (const url of cameBack ? through : []) if (open.size < MAX_HOSTS) open.add(keyOf(source, url));
    },
  };
}
