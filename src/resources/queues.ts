// Named queues, in which runs wait: the installer defines them and what each may have at work at once.
import { z } from 'zod';

/** The queue of runs that name none; it is always there. */
export const DEFAULT_QUEUE = 'default';

export const queueName = z
  .string()
  .min(1)
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);

/** As the operator's configuration gives them, by name. */
export const queueSettings = z.record(
  queueName,
  z.strictObject({
    maxActiveRuns: z
      .int()
      .min(1)
      .optional()
      .describe('Most of its runs at work at once; no limit of its own when left out.'),
  }),
);

/** Caps of the queues that there are, by name: the most runs of one at work at once, undefined where it has no cap. */
export type QueueCaps = ReadonlyMap<string, number | undefined>;

export function queueCaps(settings: z.output<typeof queueSettings>): QueueCaps {
  return new Map(Object.entries(settings).map(([name, { maxActiveRuns }]) => [name, maxActiveRuns]));
}

/** The queue of a spec as it was given. */
export function queueOfSpec({ queue }: { readonly queue?: string | undefined }): string {
  return queue ?? DEFAULT_QUEUE;
}

export function isQueue(name: string, caps: QueueCaps): boolean {
  return name === DEFAULT_QUEUE || caps.has(name);
}

/** What is wrong with the queue that a spec names, for people; undefined when it is there. */
export function unknownQueue(queue: string, caps: QueueCaps, field: string): string | undefined {
  if (isQueue(queue, caps)) return undefined;
  const known = [...new Set([DEFAULT_QUEUE, ...caps.keys()])].join(', ');
  return `${field}: there is no queue "${queue}": name one that there is (${known}), or have it added to operator.queues of the installation`;
}
