// After the crawl: one of the run's workers writes its items to the file that spec.output asks for; the others wait and
// take over if it dies. The run ends with what became of the file.
import { posix } from 'node:path';
import type { OutputItem, OutputResult, WorkerStore } from '../../gateway/protocol/worker-store.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { childName } from '../../resources/names.ts';
import type { Logger } from '../../telemetry/logger.ts';
import { pause } from '../pause.ts';
import { OutputFileError, removeUnfinished, writeOutputFile } from './output-file.ts';
import { outputFormat } from './output-format.ts';
import { screenshotFolder } from './screenshot-files.ts';

/** Times between tries at a volume that may come round, such as a full one. */
const RETRY_MS = [2_000, 10_000];

export type OutputDelivery = {
  readonly store: Pick<WorkerStore, 'leaseOutput' | 'outputItems' | 'outputFields' | 'settleOutput' | 'releaseOutput'>;
  readonly spec: CrawlRunSpec & { readonly output: NonNullable<CrawlRunSpec['output']> };
  readonly runName: string;
  /** Where the volume is mounted. */
  readonly volume: string;
  readonly stopping: AbortSignal;
  /** The end of waiting for the database. */
  readonly quit: AbortSignal;
  /** Called with every page of items, and while another worker writes: a worker that lives. */
  readonly onProgress: () => void;
  readonly log: Logger;
};

/** Another worker writes the file now: this one's heartbeats came too late. */
class LeaseLostError extends Error {
  override readonly name = 'LeaseLostError';
}

/** The file of a run is named after it: whoever writes it, and however often, there is one. */
export function outputFileName(output: OutputDelivery['spec']['output'], runName: string): string {
  return `${output.filenamePrefix}${childName(runName)}.${output.format.toLowerCase()}`;
}

/** True when the run is finished, false when this worker has to stop before. Only after the crawl is over. */
export async function deliverOutput(delivery: OutputDelivery): Promise<boolean> {
  const { store, stopping, quit, log } = delivery;
  for (;;) {
    // Looked at before the lease: the end of the run is a reason to stop, too.
    const mustStop = stopping.aborted;
    const lease = await store.leaseOutput(quit);
    delivery.onProgress();
    if (lease.state === 'Finished') return true;
    if (lease.state === 'Leased') {
      if (mustStop) await store.releaseOutput(lease.fence, quit);
      else if (await writeAndSettle(delivery, lease.fence)) return true;
    }
    if (mustStop || lease.state === 'Stopping') {
      log.info('stopped before the output was written');
      return false;
    }
    if (lease.state === 'Wait') await pause(lease.retryInMs, stopping).catch(() => undefined); // ended early: look again
  }
}

async function writeAndSettle(delivery: OutputDelivery, fence: string): Promise<boolean> {
  const { store, stopping, quit, log } = delivery;
  try {
    const result = await writeWithRetries(delivery, fence);
    if ('error' in result) log.error({ error: result.error }, 'output failed');
    else log.info(result, 'output written');
    return await store.settleOutput(fence, result, quit);
  } catch (error) {
    if (error instanceof LeaseLostError) {
      log.warn('another worker writes the output');
      return false;
    }
    if (!stopping.aborted) throw error; // the lease ends with this worker's heartbeats
    await store.releaseOutput(fence, quit);
    return false;
  }
}

async function writeWithRetries(delivery: OutputDelivery, fence: string): Promise<OutputResult> {
  const { log, stopping } = delivery;
  for (let failures = 0; ; failures++) {
    try {
      return await write(delivery, `${fence}-${failures}`, fence);
    } catch (error) {
      if (!(error instanceof OutputFileError)) throw error;
      const delay = RETRY_MS[failures];
      if (error.lasting || delay === undefined) return { error: error.message };
      log.warn({ error: error.message, retryInMs: delay }, 'the output could not be written');
      await pause(delay, stopping);
    }
  }
}

async function write(delivery: OutputDelivery, attempt: string, fence: string): Promise<OutputResult> {
  const { spec, runName, volume } = delivery;
  const { format, path: folder } = spec.output;
  const found = format === 'CSV' ? held(await delivery.store.outputFields(fence, delivery.stopping)) : [];
  const { head, page, tail } = outputFormat(format, spec, found);
  const name = outputFileName(spec.output, runName);
  await removeUnfinished({ volume, folder, name: `${name}.` });
  if (spec.extract?.screenshots !== undefined) {
    await removeUnfinished({ volume, folder: screenshotFolder(spec.output, runName), name: '' });
  }
  let items = 0;

  async function* chunks(): AsyncGenerator<string> {
    yield head;
    for await (const records of pages(delivery, fence)) {
      yield page(records, items === 0);
      items += records.length;
    }
    yield tail;
  }

  const written = await writeOutputFile({ volume, folder, name, attempt }, chunks());
  return { path: posix.join(folder, name), items, ...written };
}

/** All items in their order. The last, empty page tells that the lease was still ours when everything had been read. */
async function* pages(
  { store, stopping, onProgress }: OutputDelivery,
  fence: string,
): AsyncGenerator<readonly OutputItem[]> {
  let after: string | undefined;
  for (;;) {
    const items = held(await store.outputItems(fence, after, stopping));
    onProgress();
    const last = items.at(-1);
    if (last === undefined) return;
    yield items;
    after = last.id;
  }
}

function held<T>(answer: T | undefined): T {
  if (answer === undefined) throw new LeaseLostError('the lease of the output is lost');
  return answer;
}
