// What a visit waits for: its document to be loaded, what hangs, a page to come to rest.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Session } from './devtools.ts';
import type { PageReader } from './page-reader.ts';
import type { Hanging, Visit } from './visit-state.ts';

/** How long a page may take to come to rest after an error or a script's navigation. */
const REST_MS = 2_000;

/** How a document ends to be loaded: `late` when it takes too long, `stopped` when it broke off or stopped itself. */
export type EndOfLoading = 'loaded' | 'left' | 'late' | 'stopped' | Hanging;

/**
 * Sends the page to the visit's document and waits for that to be loaded. Rejects with an error that names Chromium's when it
 * cannot be shown, and when the page is gone.
 */
export async function untilLoaded(session: Session, now: Visit, readBy: AbortSignal): Promise<EndOfLoading> {
  const late = aborted(readBy);
  const navigated = await Promise.race([
    session.send('Page.navigate', { url: now.url.href }),
    now.hanging.promise,
    now.crashed,
    late,
  ]);
  if (typeof navigated === 'object' && 'errorText' in navigated && navigated.errorText !== undefined) {
    throw new Error(navigated.errorText);
  }
  return lastLoaded<EndOfLoading>(now, [now.left, now.stopped, now.hanging.promise, late]);
}

/** Waits for the document that takes the place of one that was loaded before. Rejects when the page is gone. */
export async function untilNextLoaded(now: Visit, readBy: AbortSignal): Promise<'loaded' | 'left' | 'late'> {
  return lastLoaded<'left' | 'late'>(now, [now.left, aborted(readBy)]);
}

/** The load event of a page that posts its form, or loads itself again, is not that of the document that comes then. */
async function lastLoaded<End>(now: Visit, others: readonly Promise<End>[]): Promise<End | 'loaded'> {
  for (;;) {
    const { loaded } = now;
    const end = await Promise.race([loaded.promise, ...others, now.crashed]);
    if (end !== 'loaded' || (now.loaded === loaded && now.moving?.isShown !== true)) return end;
    await Promise.race([sleep(20), now.crashed]);
  }
}

/** A page may stop itself (`window.stop`): it was parsed as far as it wanted to be. */
export async function hasLoaded(now: Visit, reader: PageReader): Promise<boolean> {
  const isLoaded = await Promise.race([now.loaded.promise.then(() => true), sleep(50, false)]);
  return isLoaded || (await reader.isParsed());
}

/** False when the page does not leave what it shows. */
export async function comesToRest(session: Session): Promise<boolean> {
  const left = session.send('Page.navigate', { url: 'about:blank' }).then(
    ({ errorText }) => errorText === undefined,
    () => false,
  );
  return Promise.race([left, sleep(REST_MS, false, { ref: false })]);
}

/** Chromium goes on to a page of its own about the error, which would interrupt the next navigation. */
export async function errorIsShown({ errorShown }: Visit): Promise<boolean> {
  return Promise.race([errorShown, sleep(REST_MS, false, { ref: false })]);
}

function aborted(signal: AbortSignal): Promise<'late'> {
  const { promise, resolve } = Promise.withResolvers<'late'>();
  if (signal.aborted) resolve('late');
  else signal.addEventListener('abort', () => resolve('late'), { once: true });
  return promise;
}
