// What the two ways of fetching a page, HTTP and Browser, have in common.
import type { FetchFacts, Validators } from '../../store/worker-store.ts';
import type { Failure } from '../failure.ts';
import type { PagePlan, RawPage } from '../html/read-page.ts';
import type { ScriptSigns } from '../html/script-signs.ts';

/** How the fetch of one URL ended. Redirects are reported, not followed. */
export type Rendered = { readonly facts: FetchFacts } & (
  | {
      readonly type: 'page';
      readonly page: RawPage;
      /** Each X-Robots-Tag header. */
      readonly robotsHeaders: readonly string[];
      /** Absent when nobody can ask for the page on the condition that it has changed. */
      readonly validators?: Validators;
      /** In the format of the plan; absent where the plan asks for none, and for a page read by HTTP. */
      readonly screenshot?: Buffer;
      /** What its HTML says of scripts, where that was looked for. */
      readonly signs?: ScriptSigns;
    }
  /** The server says that the page is as it was when it had the given validators. */
  | { readonly type: 'unmodified' }
  /** `retryAfterMs`: how long to wait before going there (RFC 9110, 10.2.3). */
  | { readonly type: 'redirect'; readonly to: URL; readonly retryAfterMs?: number }
  | { readonly type: 'notHtml' }
  | { readonly type: 'failed'; readonly failure: Failure }
);

export type Renderer = {
  /**
   * Fetches the URL and reads what the plan asks for, within `timeoutMs`. Failures of the page are a result; the
   * promise rejects with the signal's reason when that is aborted.
   * @param known validators of a version that need not be sent again
   */
  readonly render: (
    url: URL,
    plan: PagePlan,
    timeoutMs: number,
    signal: AbortSignal,
    known?: Validators,
  ) => Promise<Rendered>;
  /** Where there is a browser: another one from the next page on, or, by force, none for the pages under way either. */
  readonly recycle?: (how: 'Gently' | 'ByForce') => void;
  readonly close: () => Promise<void>;
};

/** Content types that hold links and fields as HTML does. */
export function isHtml(contentType: string): boolean {
  return /^\s*(text\/html|application\/xhtml\+xml)\s*(;|$)/i.test(contentType);
}

export function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

export function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}
