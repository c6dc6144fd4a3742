// Installs npm packages when node_modules is not what package-lock.json says.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from './paths.mjs';

/** @typedef {{ version?: string, optional?: boolean }} LockedPackage */

/** @param {(line: string) => void} say */
export function ensureNodeModules(say) {
  const reason = whyStale();
  if (reason === undefined) return;
  say(`npm packages: ${reason}; running npm ci (about 20 s)`);
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: projectRoot, stdio: 'inherit' });
  if (npm.status !== 0) throw new Error('npm ci failed; its own message is above');
}

/** Compares the lock file with the copy of it that npm leaves in node_modules. */
function whyStale() {
  const locked = lockedPackages('package-lock.json');
  const installed = lockedPackages(join('node_modules', '.package-lock.json'));
  if (locked === undefined) throw new Error('there is no package-lock.json');
  if (installed === undefined) return 'not installed';
  for (const [path, { version, optional }] of Object.entries(locked)) {
    if (path === '') continue;
    const present = installed[path]?.version;
    // Packages for other platforms are listed as optional and never installed.
    if (present === undefined && optional) continue;
    if (present !== version) return `${path.replace('node_modules/', '')} is ${present ?? 'missing'}, not ${version}`;
  }
  return undefined;
}

/**
 * @param {string} path
 * @returns {Record<string, LockedPackage> | undefined}
 */
function lockedPackages(path) {
  try {
    return JSON.parse(readFileSync(join(projectRoot, path), 'utf8')).packages;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
