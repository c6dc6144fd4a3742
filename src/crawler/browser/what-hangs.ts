// What a page that does not come to be loaded waits for.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Protocol } from 'playwright/types/protocol';
import { isSameDocument } from '../urls/url.ts';
import type { Session } from './devtools.ts';
import type { PageActivity } from './page-activity.ts';

type FrameResources = Pick<Protocol.Page.FrameResourceTree, 'resources'> & {
  readonly childFrames?: readonly FrameResources[];
};

/** What keeps a page from being parsed or loaded. What its scripts fetch does not, and may be slow, or never end. */
const KEEPS_FROM_LOADING: ReadonlySet<string> = new Set(['Script', 'Stylesheet', 'Image', 'Font', 'Media']);
/** How long a page may take to say what it has. One that stands still says nothing. */
const ANSWER_MS = 500;

/** When a page is looked at, in milliseconds since its visit began. */
export type Patience = {
  readonly firstLookMs: number;
  readonly lastLookMs: number;
};

/** Addresses of what the page at the URL, and its frames, have asked for and got no answer to; none when it is not shown. */
export async function unansweredIn(session: Session, activity: PageActivity, url: URL): Promise<readonly string[]> {
  const asked = session.send('Page.getResourceTree').then(
    ({ frameTree }) => {
      const shown = URL.parse(frameTree.frame.url);
      const isShown = shown !== null && isSameDocument(shown, url);
      return isShown ? [...pendingIn(frameTree), ...activity.unansweredFrames()] : [];
    },
    () => undefined,
  );
  // A script that waits for its request in a loop of its own (a synchronous XHR) keeps the page from answering.
  return (await Promise.race([asked, sleep(ANSWER_MS, undefined, { ref: false })])) ?? activity.unanswered();
}

/** Of what has been answered, Chromium knows the type. */
export function pendingIn({ resources, childFrames = [] }: FrameResources): string[] {
  const pending = resources.filter(
    ({ type, mimeType, failed, canceled }) => KEEPS_FROM_LOADING.has(type) && mimeType === '' && !failed && !canceled,
  );
  return [...pending.map(({ url }) => url), ...childFrames.flatMap(pendingIn)];
}

/**
 * What is unanswered at two looks: it hangs. Empty when nothing does; rejects with the signal's reason.
 * @param unanswered looks at the page
 */
export async function whatHangs(
  unanswered: () => Promise<readonly string[]>,
  { firstLookMs, lastLookMs }: Patience,
  signal: AbortSignal,
): Promise<readonly string[]> {
  await sleep(firstLookMs, undefined, { signal });
  const before = new Set(await unanswered());
  await sleep(lastLookMs - firstLookMs, undefined, { signal });
  const now = before.size === 0 ? [] : await unanswered();
  signal.throwIfAborted();
  return now.filter((url) => before.has(url));
}
