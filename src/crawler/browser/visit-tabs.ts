// Which tab a visit has: where it was redirected, it goes on in the same one. A page may keep in the tab (`sessionStorage`)
// that it has been loaded already, and sends everybody on who comes without that mark.
import type { OpenVisit } from '../rendering/renderer.ts';
import type { BrowserPool, PooledPage } from './browser-pool.ts';

/** How a tab was left: `Broken` when nobody knows what it does now. */
export type TabEnd = 'Done' | 'Redirected' | 'Broken';

export type VisitTabs = {
  readonly acquire: (visit: OpenVisit | undefined) => Promise<PooledPage>;
  /** A tab that was redirected is kept for the visit until that is left. */
  readonly release: (page: PooledPage, visit: OpenVisit | undefined, end: TabEnd) => void;
  readonly leave: (visit: OpenVisit) => void;
};

export function createVisitTabs(pool: Pick<BrowserPool, 'acquire' | 'release'>): VisitTabs {
  const kept = new Map<OpenVisit, PooledPage>();

  function take(visit: OpenVisit): PooledPage | undefined {
    const page = kept.get(visit);
    kept.delete(visit);
    return page;
  }

  return {
    async acquire(visit) {
      const page = visit && take(visit);
      if (page === undefined || !page.session.isClosed()) return page ?? pool.acquire();
      pool.release(page, false);
      return pool.acquire();
    },
    release(page, visit, end) {
      if (visit === undefined || end !== 'Redirected') pool.release(page, end !== 'Broken');
      else kept.set(visit, page);
    },
    leave(visit) {
      const page = take(visit);
      if (page !== undefined) pool.release(page, true);
    },
  };
}
