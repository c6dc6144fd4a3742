// Conditions as Kubernetes means them: lastTransitionTime moves only when the status does.

import type { Condition } from '../resources/conditions.ts';

export type { Condition } from '../resources/conditions.ts';

export type NewCondition = Omit<Condition, 'lastTransitionTime'>;

/** The list with this condition put in; the others, and their order, stay. The given list is not changed. */
export function setCondition(conditions: readonly Condition[] | undefined, next: NewCondition, now: Date): Condition[] {
  const present = conditions ?? [];
  const previous = findCondition(present, next.type);
  const lastTransitionTime = previous?.status === next.status ? previous.lastTransitionTime : wholeSeconds(now);
  const condition: Condition = { ...next, lastTransitionTime };
  if (previous === undefined) return [...present, condition];
  return present.map((existing) => (existing.type === next.type ? condition : existing));
}

/** Of built-in types, too. */
type AnyCondition = { readonly type: string; readonly status: string };

export function findCondition<T extends AnyCondition>(
  conditions: readonly T[] | undefined,
  type: string,
): T | undefined {
  return conditions?.find((condition) => condition.type === type);
}

export function isConditionTrue(conditions: readonly AnyCondition[] | undefined, type: string): boolean {
  return findCondition(conditions, type)?.status === 'True';
}

/** metav1.Time has no fraction; sending one would make every comparison with the stored value a difference. */
function wholeSeconds(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}
