// The merge patches that suspend a schedule and resume it. Who did it, and why, is written down beside it, for people.
import { ANNOTATION } from '../../resources/group.ts';

export function suspendSchedulePatch(user: string, note: string | undefined): object {
  const annotations = { [ANNOTATION.suspendedBy]: user, [ANNOTATION.suspendNote]: note || null };
  return { metadata: { annotations }, spec: { suspend: true } };
}

/** Ends a suspension by hand, and one for too many failures: that asks for a value which was not there before. */
export function resumeSchedulePatch(now: Date): object {
  const annotations = {
    [ANNOTATION.suspendedBy]: null,
    [ANNOTATION.suspendNote]: null,
    [ANNOTATION.resumeRequested]: now.toISOString(),
  };
  return { metadata: { annotations }, spec: { suspend: false } };
}
