// Which tab a step of a visit has.
import { describe, expect, it } from 'vitest';
import type { PooledPage } from '#src/crawler/browser/browser-pool.ts';
import { createVisitTabs, type TabEnd } from '#src/crawler/browser/visit-tabs.ts';

const open = () => ({ mayAsk: async () => true });

/** A pool whose tabs are numbered in the order in which they are opened. */
function startPool() {
  const released: string[] = [];
  const closed = new Set<string>();
  let opened = 0;
  const pool = {
    acquire: async () => {
      const name = `tab ${++opened}`;
      return { mainFrameId: name, session: { isClosed: () => closed.has(name) } } as unknown as PooledPage;
    },
    release: (page: PooledPage, isSound: boolean) =>
      void released.push(`${page.mainFrameId} ${isSound ? 'sound' : 'broken'}`),
  };
  return { tabs: createVisitTabs(pool), released, closed };
}

describe('a tab', () => {
  it.each<[TabEnd, string]>([
    ['Done', 'tab 1 sound'],
    ['Broken', 'tab 1 broken'],
  ])('that ends as %s is given back at once', async (end, expected) => {
    const { tabs, released } = startPool();
    const visit = open();
    tabs.release(await tabs.acquire(visit), visit, end);
    expect(released).toEqual([expected]);
    tabs.leave(visit);
    expect(released).toEqual([expected]);
  });

  it('that was redirected is the one of the next step of its visit, and of no other', async () => {
    const { tabs, released } = startPool();
    const visit = open();
    tabs.release(await tabs.acquire(visit), visit, 'Redirected');
    expect((await tabs.acquire(open())).mainFrameId).toBe('tab 2');
    expect((await tabs.acquire(undefined)).mainFrameId).toBe('tab 3');
    expect((await tabs.acquire(visit)).mainFrameId).toBe('tab 1');
    expect(released).toEqual([]);
  });

  it('that was redirected is given back when its visit is left', async () => {
    const { tabs, released } = startPool();
    const visit = open();
    tabs.release(await tabs.acquire(visit), visit, 'Redirected');
    tabs.leave(visit);
    expect(released).toEqual(['tab 1 sound']);
    expect((await tabs.acquire(visit)).mainFrameId).toBe('tab 2');
  });

  it('that was redirected without a visit is given back', async () => {
    const { tabs, released } = startPool();
    tabs.release(await tabs.acquire(undefined), undefined, 'Redirected');
    expect(released).toEqual(['tab 1 sound']);
  });

  it('that has gone meanwhile is replaced', async () => {
    const { tabs, released, closed } = startPool();
    const visit = open();
    tabs.release(await tabs.acquire(visit), visit, 'Redirected');
    closed.add('tab 1');
    expect((await tabs.acquire(visit)).mainFrameId).toBe('tab 2');
    expect(released).toEqual(['tab 1 broken']);
  });
});
