// An image that is tried out on a part of a schedule's runs: which ones, and how it fares. Pure functions.
import type { CrawlRun } from '../../custom-resources/types.ts';
import type { NewObject } from '../../kube/kube-object.ts';
import type { CrawlScheduleSpec, CrawlScheduleStatus } from '../../resources/crawl-schedule.ts';
import { defined } from '../../resources/defined.ts';
import { LABEL } from '../../resources/group.ts';
import { draw } from '../../schedule/hashed-fields.ts';
import type { ImageFigures } from '../../store/execution-store.ts';

type Canary = NonNullable<CrawlScheduleSpec['canary']>;
type CanaryStatus = NonNullable<CrawlScheduleStatus['canary']>;

/** Fewer runs than these of either image say nothing. */
export const ENOUGH_RUNS = 3;
/** What may differ by chance: so much of the pages, and so many times the median. */
const ERROR_RATE_MARGIN = 0.02;
const DURATION_FACTOR = 1.5;
const ITEMS_FACTOR = 0.9;
/** A crawl of some seconds takes twice as long for reasons of its own. */
const DURATION_MARGIN_SECONDS = 10;

/** The run with the image that is tried out, where its name draws that: the same run gets the same image each time. */
export function withCanary(run: NewObject<CrawlRun>, canary: Canary | undefined): NewObject<CrawlRun> {
  if (canary === undefined || draw(`${run.metadata.name}/canary`) % 100 >= canary.percent) return run;
  const labels = { ...run.metadata.labels, [LABEL.canary]: 'true' };
  return { metadata: { ...run.metadata, labels }, spec: { ...run.spec, image: canary.image } };
}

/** How the canary fares against the image of the other runs. */
export function judgeCanary(canary: ImageFigures, current: ImageFigures): Pick<CanaryStatus, 'verdict' | 'message'> {
  const missing = [
    ...(canary.runs < ENOUGH_RUNS ? [`the canary has had ${canary.runs}`] : []),
    ...(current.runs < ENOUGH_RUNS ? [`the current image has had ${current.runs}`] : []),
  ];
  if (missing.length > 0) {
    return { verdict: 'Undecided', message: `each image needs ${ENOUGH_RUNS} runs that ended: ${missing.join(', ')}` };
  }
  const worse = [
    ...worseRuns(canary, current),
    ...worseErrors(canary, current),
    ...worseDuration(canary, current),
    ...worseItems(canary, current),
  ];
  if (worse.length > 0) return { verdict: 'Worse', message: worse.join('; ') };
  const message = `no more failures, no longer, and as many items as the current image, in ${canary.runs} runs against ${current.runs}`;
  return { verdict: 'Healthy', message };
}

function worseRuns(canary: ImageFigures, current: ImageFigures): string[] {
  // One run more may fail by chance.
  const expected = (current.failedRuns / current.runs) * canary.runs;
  if (canary.failedRuns < expected + 1) return [];
  return [`${canary.failedRuns} of ${canary.runs} runs failed, against ${current.failedRuns} of ${current.runs}`];
}

function worseErrors(canary: ImageFigures, current: ImageFigures): string[] {
  const [rate, before] = [errorRate(canary) ?? 0, errorRate(current) ?? 0];
  if (rate <= before + ERROR_RATE_MARGIN) return [];
  return [`${percent(rate)} of the pages failed, against ${percent(before)}`];
}

function worseDuration({ seconds }: ImageFigures, { seconds: before }: ImageFigures): string[] {
  if (seconds === undefined || before === undefined) return [];
  if (seconds <= Math.max(before * DURATION_FACTOR, before + DURATION_MARGIN_SECONDS)) return [];
  return [`it takes ${Math.round(seconds)} s, against ${Math.round(before)} s`];
}

function worseItems({ items }: ImageFigures, { items: before }: ImageFigures): string[] {
  if (items === undefined || before === undefined || items >= before * ITEMS_FACTOR) return [];
  return [`it finds ${Math.round(items)} items, against ${Math.round(before)}`];
}

function errorRate({ pages, failedPages }: ImageFigures): number | undefined {
  return pages === 0 ? undefined : failedPages / pages;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)}%`;
}

export function canaryStatus(
  { image }: Canary,
  since: string,
  { ofImage, ofOthers }: { readonly ofImage: ImageFigures; readonly ofOthers: ImageFigures },
): CanaryStatus {
  const { verdict, message } = judgeCanary(ofImage, ofOthers);
  return { image, since, verdict, message, canary: shown(ofImage), current: shown(ofOthers) };
}

function shown(figures: ImageFigures): CanaryStatus['canary'] {
  const { runs, failedRuns, seconds, items } = figures;
  const rate = errorRate(figures);
  return {
    runs,
    failedRuns,
    ...defined({
      errorRate: rate === undefined ? undefined : percent(rate),
      durationSeconds: seconds === undefined ? undefined : Math.round(seconds),
      items: items === undefined ? undefined : Math.round(items),
    }),
  };
}
