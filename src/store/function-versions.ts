// Which workers the functions serve: pods of a run outlive the operator that made them, so old ones meet new functions.
// The rule is in docs/decisions/0014-upgrades.md.

/** Version of what workers and functions agree on. Raised with every change of it, however compatible. */
export const FUNCTIONS_VERSION = 2;

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
