// Which of its open pages a worker hangs on, in words for people and as outcomes, so that such a page counts a try and does not
// hang one worker after the other. Pure functions.
import type { CallRequest } from '../../gateway/protocol/calls.ts';
import { backOffMs } from '../back-off.ts';
import type { OpenPage } from './heartbeat-messages.ts';
import type { Stall } from './watchdog.ts';
import { isWork } from './worked-page.ts';

/**
 * A main thread that is blocked works for the page that last entered a stage of work; otherwise every open page stands still.
 * @param worked the page that the main thread works for, where it has said so
 */
export function hungPages(
  open: readonly OpenPage[],
  worked: OpenPage | undefined,
  { kind }: Stall,
): readonly OpenPage[] {
  const oldestFirst = open.toSorted((a, b) => a.since - b.since);
  if (kind === 'Idle') return oldestFirst;
  const last = worked ?? oldestFirst.findLast(({ stage }) => isWork(stage));
  return last === undefined ? oldestFirst : [last];
}

/** What hangs, for how long, at which page and in which stage. */
export function stallMessage({ kind, ms }: Stall, hung: readonly OpenPage[]): string {
  const [first, ...others] = hung;
  const seconds = Math.round(ms / 1_000);
  if (first === undefined) {
    return kind === 'Blocked'
      ? `the main thread has been blocked for ${seconds} s`
      : `writing the output has made no progress for ${seconds} s: its volume does not answer`;
  }
  const what =
    kind === 'Blocked' ? `the main thread has been blocked for ${seconds} s` : `no page was finished for ${seconds} s`;
  const more = others.length > 0 ? ` (and ${others.length} more)` : '';
  return `${what}: ${first.url} is in stage ${first.stage} since ${new Date(first.since).toISOString()}${more}`;
}

/** One more try of each page, later. */
export function hungOutcomes(hung: readonly OpenPage[]): CallRequest<'commit'>['outcomes'] {
  return hung.map(({ requestId, leaseToken, attempt, stage, since }) => ({
    ...{ key: requestId, token: leaseToken, type: 'retry', cause: 'Timeout' },
    message: `its worker hung: in stage ${stage} since ${new Date(since).toISOString()}`,
    delayMs: backOffMs(Math.max(1, attempt)),
  }));
}
