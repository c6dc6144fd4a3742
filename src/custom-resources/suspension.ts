// The merge patches that suspend a schedule and resume it, for the plugin and the API server. Who did it is written down beside it.
import { ANNOTATION } from '../resources/group.ts';

export type SuspensionWish = {
  /** Why, for people; its status shows it. */
  readonly note?: string | undefined;
  /** When it goes on by itself. */
  readonly until?: Date | undefined;
};

export function suspendSchedulePatch(user: string, { note, until }: SuspensionWish): object {
  return {
    metadata: { annotations: { [ANNOTATION.suspendedBy]: user } },
    spec: { suspend: true, suspendNote: note || null, suspendUntil: until?.toISOString() ?? null },
  };
}

/** Ends a suspension by hand, and one for too many failures: that asks for a value which was not there before. */
export function resumeSchedulePatch(now: Date): object {
  return {
    metadata: { annotations: { [ANNOTATION.suspendedBy]: null, [ANNOTATION.resumeRequested]: now.toISOString() } },
    spec: { suspend: false, suspendNote: null, suspendUntil: null },
  };
}
