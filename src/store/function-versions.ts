// Which workers the functions serve: pods of a run outlive the operator that made them, so old ones meet new functions.
// The rule is in docs/decisions/0014-upgrades.md.

/** Version of what workers and functions agree on. Raised with every change of it, however compatible. */
export const FUNCTIONS_VERSION = 4;

/** The oldest workers that these functions still serve. Raised only when a function that they call is given up. */
export const OLDEST_WORKER_VERSION = 1;

/** As the database has them. */
export type FunctionVersions = { readonly version: number; readonly oldestWorker: number };

/** Why a worker of this version cannot work with such functions, for people; undefined when it can. */
export function versionTrouble(worker: number, { version, oldestWorker }: FunctionVersions): string | undefined {
  if (worker > version) {
    return `the functions in the database have version ${version}, this crawler needs ${worker}: upgrade the operator first`;
  }
  if (worker < oldestWorker) {
    return `the functions in the database serve crawlers from version ${oldestWorker} on, this one has ${worker}: use a newer image`;
  }
  return undefined;
}

/** Which functions a database has, and the release (`1.2.3`) that made them; 0.0.0 before releases were noted. */
export type FunctionSet = { readonly version: number; readonly release?: string };

/** Whether one set of functions is to stay in the place of another: a higher version, or the same of a later release. */
export function isLater(one: FunctionSet, other: FunctionSet): boolean {
  if (one.version !== other.version) return one.version > other.version;
  return compareReleases(one.release ?? '0.0.0', other.release ?? '0.0.0') > 0;
}

/** By major, minor and patch; what follows them, as in `1.2.3-rc.1`, does not count. */
function compareReleases(one: string, other: string): number {
  const numbers = (release: string) => release.split('-', 1)[0]?.split('.').map(Number) ?? [];
  const [ours, theirs] = [numbers(one), numbers(other)];
  for (let place = 0; place < 3; place++) {
    const difference = (ours[place] ?? 0) - (theirs[place] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
