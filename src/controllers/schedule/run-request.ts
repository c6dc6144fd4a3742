// A run, or a resume, that is asked for by an annotation on a schedule, so that kubectl alone is enough. Pure functions.
import type { CrawlSchedule } from '../../custom-resources/types.ts';
import { cutText } from '../../resources/clamp.ts';
import { ANNOTATION } from '../../resources/group.ts';

/** As long as the status remembers it. */
const LONGEST_REQUEST = 256;

/** What the annotation says now, whether or not a run was made for it. */
export function requestIn(schedule: CrawlSchedule): string | undefined {
  return annotated(schedule, ANNOTATION.runRequested);
}

/** The request that no run was made for yet. Each new value of the annotation is one. */
export function openRequest(schedule: CrawlSchedule): string | undefined {
  const request = requestIn(schedule);
  return request === schedule.status?.lastHandledRunRequest ? undefined : request;
}

/** The same of the request to go on after failures. */
export function resumeRequestIn(schedule: CrawlSchedule): string | undefined {
  return annotated(schedule, ANNOTATION.resumeRequested);
}

function annotated({ metadata }: CrawlSchedule, annotation: string): string | undefined {
  const value = metadata.annotations?.[annotation];
  return value === undefined || value === '' ? undefined : cutText(value, LONGEST_REQUEST);
}
