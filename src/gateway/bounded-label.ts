// Values of a metric's label that come from outside: only so many are told apart, since each is kept for good.

/** No name of Kubernetes: nothing can be mistaken for it. */
export const OTHER = '_other';

/** The value itself for the first `most` of them, and OTHER for all that come after. */
export function boundedLabel(most: number): (value: string) => string {
  const known = new Set<string>();
  return (value) => {
    if (known.has(value)) return value;
    if (known.size >= most) return OTHER;
    known.add(value);
    return value;
  };
}
