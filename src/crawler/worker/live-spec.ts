// The spec of a run may be edited while its workers crawl. Claims and heartbeats tell which change is in force; a worker that knows
// another one reads the spec once more before it goes on.
import { StoreError } from '../../gateway/protocol/store-error.ts';
import type { RunAssignment } from '../../gateway/protocol/worker-store.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import type { Logger } from '../../telemetry/logger.ts';

export type OnChange = (version: number, spec: CrawlRunSpec) => Promise<void>;

export type LiveSpec = {
  /** Who goes by the spec; nothing is taken up before. */
  readonly onChange: (apply: OnChange) => void;
  /** Resolves when that version, or a later one, is taken up. Rejects as the store does, or with the signal's reason. */
  readonly follow: (version: number, signal: AbortSignal) => Promise<void>;
  /** As `follow`, for news that nothing waits for: where it fails, the next news come soon. */
  readonly heard: (version: number, signal: AbortSignal) => void;
};

export function createLiveSpec(
  load: (signal: AbortSignal) => Promise<Pick<RunAssignment, 'liveVersion' | 'spec'>>,
  log: Logger,
): LiveSpec {
  /** As for a spec that nobody has edited: a worker that begins later reads the edited one with its first claim. */
  let known = 0;
  let apply: OnChange | undefined;
  /** One after the other: what was read first is not applied last. */
  let last: Promise<void> = Promise.resolve();

  async function takeUp(version: number, signal: AbortSignal): Promise<void> {
    if (version === known || apply === undefined) return;
    const next = await load(signal);
    await apply(next.liveVersion, next.spec);
    log.info({ version: next.liveVersion, before: known }, 'the spec was edited');
    known = next.liveVersion;
  }

  function follow(version: number, signal: AbortSignal): Promise<void> {
    const turn = last.then(() => takeUp(version, signal));
    last = turn.catch(() => {});
    return turn;
  }

  return {
    follow,
    onChange(listener) {
      apply = listener;
    },
    heard(version, signal) {
      follow(version, signal).catch((error: unknown) => {
        if (signal.aborted || (error instanceof StoreError && error.reason === 'RunFinished')) return;
        log.warn({ err: error }, 'the edited spec could not be read');
      });
    },
  };
}
