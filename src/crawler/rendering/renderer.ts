// The interface of the two renderers, HTTP and browser, and what both know of status codes.
import type { FetchFacts, Validators } from '../../gateway/protocol/worker-store.ts';
import type { Failure } from '../failure.ts';
import type { PagePlan } from '../html/page-plan.ts';
import type { RawPage } from '../html/raw-page.ts';
import type { ScriptSigns } from '../html/script-signs.ts';

/** Of one page, decompressed. */
export const MAX_PAGE_BYTES = 16 * 1024 * 1024;

/** How the fetch of one URL ended. Redirects are reported, not followed. */
export type Rendered = { readonly facts: FetchFacts } & (
  | {
      readonly type: 'page';
      readonly page: RawPage;
      /** Each X-Robots-Tag header. */
      readonly robotsHeaders: readonly string[];
      /** Absent when the page cannot be requested conditionally. */
      readonly validators?: Validators;
      /** In the format of the plan; absent where the plan asks for none, and for a page read by HTTP. */
      readonly screenshot?: Buffer;
      /** Signs in its HTML that scripts make its content; absent where nobody looked for them. */
      readonly signs?: ScriptSigns;
    }
  /** The server says that the version with the given validators is still current (304). */
  | { readonly type: 'unmodified' }
  /** `retryAfterMs`: how long to wait before going there (RFC 9110, 10.2.3). */
  | { readonly type: 'redirect'; readonly to: URL; readonly retryAfterMs?: number; readonly visitor?: Visitor }
  | { readonly type: 'notHtml' }
  | { readonly type: 'failed'; readonly failure: Failure }
);

/**
 * Who came without a cookie of the site: `New` if the answer gave one, else a `Stranger`. Absent for others, and where that
 * is not known.
 */
export type Visitor = 'New' | 'Stranger';

/** The visit of a worker to a page, with the documents that redirects lead to and that it goes to at once. */
export type OpenVisit = {
  /**
   * Whether a document may be asked for to which a script of the page goes, to see whether that is a page or a file; waits for
   * a place at the host.
   */
  readonly mayAsk: (url: URL) => Promise<boolean>;
};

export type Renderer = {
  /**
   * Fetches the URL and reads what the plan asks for, within `timeoutMs`. Failures of the page are a result; the
   * promise rejects with the signal's reason when that is aborted.
   * @param known validators of a version that need not be sent a second time
   * @param visit of which this is a step: after a redirect the next step of the same visit has the same tab, with its
   *   `sessionStorage`, until `leave` is called. Without it, where a script of the page goes is taken for a page
   */
  readonly render: (
    url: URL,
    plan: PagePlan,
    timeoutMs: number,
    signal: AbortSignal,
    known?: Validators,
    visit?: OpenVisit,
  ) => Promise<Rendered>;
  /** The visit is over: gives back what was kept for it. */
  readonly leave?: (visit: OpenVisit) => void;
  /** Replaces the browser, if there is one: from the next page on, or by force, which ends the pages under way. */
  readonly recycle?: (how: 'Gently' | 'ByForce') => void;
  readonly close: () => Promise<void>;
};

export function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

export function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}
