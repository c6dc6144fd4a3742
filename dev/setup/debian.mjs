// Installs the Debian packages that development needs, when the programs in them are missing.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';

/**
 * @typedef {object} Need
 * @property {string} program found on PATH, or an absolute path
 * @property {string} debianPackage
 * @property {string} why
 */

/** @typedef {'images' | 'cluster' | 'tests' | 'benches'} Purpose */

/** @type {Record<Purpose, Need[]>} */
const needs = {
  images: [
    { program: 'buildah', debianPackage: 'buildah', why: 'builds images without a container engine' },
    { program: 'debootstrap', debianPackage: 'debootstrap', why: 'makes the base image without a registry' },
  ],
  cluster: [
    { program: 'containerd', debianPackage: 'containerd', why: 'runs the pods' },
    { program: 'runc', debianPackage: 'runc', why: 'runs the pods' },
    { program: '/usr/lib/cni/bridge', debianPackage: 'containernetworking-plugins', why: "the pods' network" },
    { program: 'nft', debianPackage: 'nftables', why: 'Services' },
    { program: 'iptables', debianPackage: 'iptables', why: 'network policies' },
    { program: 'ipset', debianPackage: 'ipset', why: 'network policies' },
    { program: 'conntrack', debianPackage: 'conntrack', why: 'Services' },
    { program: 'ip', debianPackage: 'iproute2', why: "the pods' network" },
    { program: 'openssl', debianPackage: 'openssl', why: "the kubelet's certificate" },
  ],
  tests: [
    {
      program: '/usr/lib/postgresql/15/bin/postgres',
      debianPackage: 'postgresql-15',
      why: 'the oldest version supported',
    },
    { program: 'certutil', debianPackage: 'libnss3-tools', why: 'certificates of the browser' },
    { program: 'chromium-headless-shell', debianPackage: 'chromium-headless-shell', why: 'browser tests' },
    { program: 'openssl', debianPackage: 'openssl', why: 'certificates' },
    { program: 'runc', debianPackage: 'runc', why: 'runs a browser as in a pod' },
    { program: 'setpriv', debianPackage: 'util-linux', why: 'ends servers together with their test' },
    { program: '/usr/sbin/nginx', debianPackage: 'nginx', why: 'its log tells what a crawl asked for' },
    { program: '/usr/sbin/pgbouncer', debianPackage: 'pgbouncer', why: 'a pooler before PostgreSQL' },
    { program: 'python3', debianPackage: 'python3', why: 'walks sites as another crawler would' },
  ],
  benches: [
    { program: '/usr/sbin/nginx', debianPackage: 'nginx', why: 'serves the site that is crawled' },
    {
      program: '/usr/lib/nginx/modules/ngx_http_echo_module.so',
      debianPackage: 'libnginx-mod-http-echo',
      why: 'lets nginx answer late',
    },
    { program: 'python3', debianPackage: 'python3', why: 'runs Scrapy' },
  ],
};

/**
 * @param {Purpose[]} purposes
 * @param {(line: string) => void} say
 */
export function ensureDebianPackages(purposes, say) {
  const wanted = purposes.flatMap((purpose) => needs[purpose]);
  let missing = wanted.filter(({ program }) => !isPresent(program));
  if (missing.some(({ debianPackage }) => isImageTool(debianPackage)) && hasContainerEngine()) {
    missing = missing.filter(({ debianPackage }) => !isImageTool(debianPackage));
  }
  if (missing.length === 0) return;

  const packages = [...new Set(missing.map(({ debianPackage }) => debianPackage))];
  for (const { debianPackage, why } of missing) say(`Debian package ${debianPackage} is missing (${why})`);
  const command = `apt-get install --no-install-recommends ${packages.join(' ')}`;
  if (!isPresent('apt-get'))
    throw new Error(`this is not Debian; install what is in these packages: ${packages.join(' ')}`);
  if (process.getuid?.() !== 0) throw new Error(`run as root: apt-get update && ${command}`);
  say(`${command} (under a minute)`);
  withoutServices(() => {
    aptGet('update', '-q');
    aptGet('install', '-q', '-y', '--no-install-recommends', '-o', 'Dpkg::Options::=--force-confold', ...packages);
  });
}

/** @param {string} name */
function isImageTool(name) {
  return needs.images.some(({ debianPackage }) => debianPackage === name);
}

function hasContainerEngine() {
  return ['docker', 'podman'].some((engine) => spawnSync(engine, ['info'], { timeout: 10_000 }).status === 0);
}

/** @param {string} program */
function isPresent(program) {
  const folders = isAbsolute(program) ? [''] : (process.env['PATH'] ?? '').split(delimiter);
  // A module is loaded, not run.
  const mode = program.endsWith('.so') ? constants.R_OK : constants.X_OK;
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), mode);
      return true;
    } catch {
      return false;
    }
  });
}

/** @param {string[]} args */
function aptGet(...args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  // Another apt on the machine may hold the lock for a while.
  const result = spawnSync('apt-get', ['-o', 'DPkg::Lock::Timeout=120', ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
  });
  if (result.status !== 0) throw new Error(`apt-get ${args.join(' ')} failed:\n${result.stdout}${result.stderr}`);
}

/**
 * Debian starts a service when it installs one; here only the programs are wanted, on ports and sockets of our own.
 * @param {() => void} install
 */
function withoutServices(install) {
  const policy = '/usr/sbin/policy-rc.d';
  const ownPolicy = !existsSync(policy);
  if (ownPolicy) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  const clusterConfig = '/etc/postgresql-common/createcluster.conf';
  if (!existsSync(clusterConfig)) {
    mkdirSync('/etc/postgresql-common', { recursive: true });
    writeFileSync(clusterConfig, 'create_main_cluster = false\n');
  }
  try {
    install();
  } finally {
    if (ownPolicy) rmSync(policy, { force: true });
  }
}
