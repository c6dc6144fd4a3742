// A set of bounded size, which forgets what was added longest ago.

export type RecentSet = { readonly has: (value: string) => boolean; readonly add: (value: string) => void };

export function createRecentSet(most: number): RecentSet {
  const values = new Set<string>();
  return {
    has: (value) => values.has(value),
    add(value) {
      values.delete(value);
      values.add(value);
      const [oldest] = values;
      if (values.size > most && oldest !== undefined) values.delete(oldest);
    },
  };
}
