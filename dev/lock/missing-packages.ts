// Optional packages that a lock file promises and does not describe: `npm ci` refuses such a file.

/** An entry of `packages` in package-lock.json (lockfileVersion 3), as far as it matters here. */
export interface LockedPackage {
  version?: string;
  integrity?: string;
  cpu?: string[];
  dev?: boolean;
  libc?: string[];
  license?: string;
  optional?: boolean;
  os?: string[];
  engines?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

/** By path, such as `node_modules/a/node_modules/b`; the project itself has the empty path. */
export type LockedPackages = Record<string, LockedPackage>;

export interface MissingPackage {
  name: string;
  /** As its parent asks for it: an exact version, as the native parts of a package are asked for. */
  version: string;
  /** The path of the package that asks for it. */
  parent: string;
}

/** The optional dependencies that have no entry in any folder where Node would look for them. */
export function missingPackages(packages: LockedPackages): MissingPackage[] {
  return Object.entries(packages).flatMap(([parent, { optionalDependencies = {} }]) =>
    Object.entries(optionalDependencies)
      .filter(([name]) => !foldersAbove(parent).some((folder) => `${folder}node_modules/${name}` in packages))
      .map(([name, version]) => ({ name, version, parent })),
  );
}

/** `node_modules/a/node_modules/b` looks into its own folder, then into that of `a`, then into the root. */
function foldersAbove(path: string): string[] {
  if (path === '') return [''];
  return [`${path}/`, ...foldersAbove(path.slice(0, Math.max(path.lastIndexOf('/node_modules/'), 0)))];
}

/** The packages with one more entry, where npm would write it. */
export function withPackage(packages: LockedPackages, path: string, entry: LockedPackage): LockedPackages {
  return Object.fromEntries(
    Object.entries({ ...packages, [path]: entry }).sort(([a], [b]) => a.localeCompare(b, 'en')),
  );
}
