// Installs npm packages when node_modules is not what package-lock.json says.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, realpathSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cacheDirectory, projectRoot } from './paths.mjs';

/** @typedef {{ version?: string, optional?: boolean, os?: string | string[], cpu?: string | string[], libc?: string | string[] }} LockedPackage */

const nodeMajor = Number(process.versions.node.split('.')[0]);

/** @param {(line: string) => void} say */
export function ensureNodeModules(say) {
  const reason = whyStale();
  if (reason !== undefined) install(reason, say);
  linkNode();
}

/**
 * npm scripts run the pinned Node because npm puts node_modules/.bin first on the PATH; some versions of npm do not
 * link it there.
 */
function linkNode() {
  const bin = join(projectRoot, 'node_modules', '.bin', 'node');
  const target = join('..', `node-${process.platform}-${process.arch}`, 'bin', 'node');
  if (existsSync(bin) || !existsSync(join(dirname(bin), target))) return;
  symlinkSync(target, bin);
}

/**
 * @param {string} reason
 * @param {(line: string) => void} say
 */
function install(reason, say) {
  say(`npm packages: ${reason}; running npm ci (under a minute)`);
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  const result = nodeMajor < 20 ? npmOnPinnedNode(args, say) : npm(args);
  if (result.status !== 0) throw new Error('npm ci failed; its own message is above');
}

/** @param {string[]} args */
function npm(args) {
  return spawnSync('npm', args, { cwd: projectRoot, stdio: ['ignore', 2, 2] });
}

/**
 * On an old Node, npm leaves out optional packages that need a newer one, though it is the pinned Node that will run
 * them. So the pinned Node is fetched first, and runs npm.
 * @param {string[]} args
 * @param {(line: string) => void} say
 */
function npmOnPinnedNode(args, say) {
  const name = `node-${process.platform}-${process.arch}`;
  const version = lockedPackages('package-lock.json')?.[`node_modules/${name}`]?.version;
  const prefix = join(cacheDirectory, `node-${version}`);
  const node = join(prefix, 'node_modules', name, 'bin', 'node');
  if (!existsSync(node)) {
    say(`this is Node ${process.versions.node}: fetching Node ${version} to run npm with`);
    mkdirSync(prefix, { recursive: true });
    const fetched = npm(['install', '--prefix', prefix, '--no-save', '--no-audit', '--no-fund', `${name}@${version}`]);
    if (fetched.status !== 0) return fetched;
  }
  // Named by npm for its scripts; outside of them, the one on the PATH.
  const cli =
    process.env['npm_execpath'] ?? realpathSync(spawnSync('which', ['npm'], { encoding: 'utf8' }).stdout.trim());
  return spawnSync(node, [cli, ...args], { cwd: projectRoot, stdio: ['ignore', 2, 2] });
}

/** Compares the lock file with the copy of it that npm leaves in node_modules. */
function whyStale() {
  const locked = lockedPackages('package-lock.json');
  const installed = lockedPackages(join('node_modules', '.package-lock.json'));
  if (locked === undefined) throw new Error('there is no package-lock.json');
  if (installed === undefined) return 'not installed';
  for (const [path, entry] of Object.entries(locked)) {
    const { version, optional } = entry;
    const present = installed[path]?.version;
    if (path === '' || (present === undefined && optional && !isForThisMachine(entry))) continue;
    if (present !== version) return `${path.replace('node_modules/', '')} is ${present ?? 'missing'}, not ${version}`;
  }
  return undefined;
}

/**
 * Packages with native code come once for each platform; all but one are never installed.
 * @param {LockedPackage} entry
 */
function isForThisMachine({ os, cpu, libc }) {
  if (os === undefined || cpu === undefined) return false;
  return os.includes(process.platform) && cpu.includes(process.arch) && !libc?.includes('musl');
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
