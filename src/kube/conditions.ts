// Conditions as Kubernetes means them: lastTransitionTime moves only when the status does.
import { timestamp } from './time.ts';

/** metav1.Condition. */
export interface Condition {
  type: string;
  status: 'True' | 'False' | 'Unknown';
  observedGeneration?: number | undefined;
  lastTransitionTime: string;
  reason: string;
  message: string;
}

export type NewCondition = Omit<Condition, 'lastTransitionTime'>;

/** The list with this condition put in; the others, and their order, stay. The given list is not changed. */
export function setCondition(conditions: readonly Condition[] | undefined, next: NewCondition, now: Date): Condition[] {
  const present = conditions ?? [];
  const previous = findCondition(present, next.type);
  const lastTransitionTime = previous?.status === next.status ? previous.lastTransitionTime : timestamp(now);
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
