// What a host has answered so far. An empty page, or 403, proves nothing by itself, but after many good pages of the
// same host it is a refusal.
import QuickLRU from 'quick-lru';
import type { RawPage } from '../html/raw-page.ts';

/** Pages with content that a host must have given before this evidence counts. */
const ENOUGH_PAGES = 5;
/** Forbidden pages in a row that count as a refusal. */
const ENOUGH_REFUSALS = 5;
/** Hosts that are remembered. */
const MAX_HOSTS = 10_000;

type Record = { pages: number; forbidden: number };

export type HostHistory = {
  /** Evidence that a page with a good status is an empty shell; otherwise it is counted as one of the host's pages. */
  readonly emptyShell: (host: string, page: Pick<RawPage, 'isEmpty'>) => string | undefined;
  /** Evidence that 403 is not about this page: the host forbids everything now. */
  readonly forbidden: (host: string) => string | undefined;
};

export function createHostHistory(): HostHistory {
  const records = new QuickLRU<string, Record>({ maxSize: MAX_HOSTS });

  function recordOf(host: string): Record {
    const record = records.get(host) ?? { pages: 0, forbidden: 0 };
    records.set(host, record);
    return record;
  }

  return {
    emptyShell(host, { isEmpty }) {
      const record = recordOf(host);
      if (isEmpty && record.pages >= ENOUGH_PAGES) {
        return `an empty page (after ${record.pages} pages of the host that had content)`;
      }
      record.forbidden = 0;
      if (!isEmpty) record.pages++;
      return undefined;
    },
    forbidden(host) {
      const record = recordOf(host);
      record.forbidden++;
      if (record.forbidden < ENOUGH_REFUSALS || record.pages < ENOUGH_PAGES) return undefined;
      return `status 403 for the last ${record.forbidden} pages (after ${record.pages} pages that had content)`;
    },
  };
}
