// `npm run lock`: completes package-lock.json with the optional packages of other platforms, which npm leaves out when
// it makes the file on one platform. `--check` only says what is missing, without the registry.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { projectRoot } from '../setup/paths.mjs';
import {
  type LockedPackage,
  type LockedPackages,
  type MissingPackage,
  missingPackages,
  withPackage,
} from './missing-packages.ts';

interface LockFile {
  packages: LockedPackages;
}

/** What the registry says of one version; lists of one element come as text. */
interface Manifest {
  version: string;
  license?: string;
  os?: string | string[];
  cpu?: string | string[];
  libc?: string | string[];
  engines?: Record<string, string>;
  'dist.integrity'?: string;
}

const lockFiles = ['package-lock.json', 'tests/bench/crawl/peers/package-lock.json'];

async function manifestOf({ name, version }: MissingPackage): Promise<Manifest> {
  const fields = ['version', 'license', 'os', 'cpu', 'libc', 'engines', 'dist.integrity'];
  const { stdout } = await execa('npm', ['view', `${name}@${version}`, '--json', ...fields], { cwd: projectRoot });
  return JSON.parse(stdout);
}

/** In the order in which npm writes the fields. */
function entryOf(manifest: Manifest, isDev: boolean): LockedPackage {
  const { version, license, os, cpu, libc, engines } = manifest;
  const integrity = manifest['dist.integrity'];
  return {
    version,
    ...(integrity === undefined ? {} : { integrity }),
    ...(cpu === undefined ? {} : { cpu: [cpu].flat() }),
    ...(isDev ? { dev: true } : {}),
    ...(libc === undefined ? {} : { libc: [libc].flat() }),
    ...(license === undefined ? {} : { license }),
    optional: true,
    ...(os === undefined ? {} : { os: [os].flat() }),
    ...(engines === undefined ? {} : { engines }),
  };
}

async function complete(path: string): Promise<void> {
  const lock: LockFile = JSON.parse(await readFile(path, 'utf8'));
  for (const missing of missingPackages(lock.packages)) {
    const entry = entryOf(await manifestOf(missing), lock.packages[missing.parent]?.dev === true);
    lock.packages = withPackage(lock.packages, `node_modules/${missing.name}`, entry);
    console.log(`added ${missing.name} ${missing.version}`);
  }
  await writeFile(path, `${JSON.stringify(lock, null, 2)}\n`);
}

async function check(file: string): Promise<number> {
  const lock: LockFile = JSON.parse(await readFile(join(projectRoot, file), 'utf8'));
  const missing = missingPackages(lock.packages);
  for (const { name, version, parent } of missing) {
    console.log(
      `${file} lacks ${name} ${version}, which ${parent.replace(/^.*node_modules\//, '')} may need on another platform`,
    );
  }
  return missing.length;
}

if (process.argv.includes('--check')) {
  const counts = await Promise.all(lockFiles.map(check));
  process.exitCode = counts.every((count) => count === 0) ? 0 : 1;
} else {
  for (const file of lockFiles) await complete(join(projectRoot, file));
}
