// Downloads Kubernetes' official release binaries, each checked against the SHA-256 that its project publishes.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kubernetesVersion, programs } from './kubernetes-binaries.mjs';

/**
 * @typedef {object} Release
 * @property {string} program
 * @property {string} url
 * @property {string} checksumUrl a file with the sum alone, or with lines of sum and file name
 * @property {string} [member] path of the program inside the archive
 */

const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64';
const etcd = `etcd-v3.6.5-linux-${architecture}`;
const etcdReleases = 'https://github.com/etcd-io/etcd/releases/download/v3.6.5';
const coredns = `https://github.com/coredns/coredns/releases/download/v1.14.7/coredns_1.14.7_linux_${architecture}.tgz`;
const helm = `https://get.helm.sh/helm-v4.1.3-linux-${architecture}.tar.gz`;

/** @returns {Release[]} */
export function officialReleases() {
  const elsewhere = ['etcd', 'coredns', 'helm'];
  const kubernetes = programs
    .filter((program) => !elsewhere.includes(program))
    .map((program) => {
      const url = `https://dl.k8s.io/${kubernetesVersion}/bin/linux/${architecture}/${program}`;
      return { program, url, checksumUrl: `${url}.sha256` };
    });
  return [
    ...kubernetes,
    {
      program: 'etcd',
      url: `${etcdReleases}/${etcd}.tar.gz`,
      checksumUrl: `${etcdReleases}/SHA256SUMS`,
      member: `${etcd}/etcd`,
    },
    { program: 'coredns', url: coredns, checksumUrl: `${coredns}.sha256`, member: 'coredns' },
    { program: 'helm', url: helm, checksumUrl: `${helm}.sha256sum`, member: `linux-${architecture}/helm` },
  ];
}

/**
 * Fills `directory` with the programs. Throws at the first that cannot be had or has another sum.
 * @param {string} directory
 * @param {Release[]} releases
 * @param {{ report: (line: string) => void, signal: AbortSignal }} options
 */
export async function downloadReleases(directory, releases, { report, signal }) {
  mkdirSync(directory, { recursive: true });
  // All sums first: they are small, so an origin that is out of reach is found out within seconds.
  const sums = await Promise.all(
    releases.map(({ url, checksumUrl }) => publishedSum(checksumUrl, fileName(url), AbortSignal.timeout(5_000))),
  );
  for (const [index, release] of releases.entries()) {
    report(`downloading ${release.program} (${index + 1} of ${releases.length})`);
    const content = await download(release.url, signal);
    const sum = createHash('sha256').update(content).digest('hex');
    if (sum !== sums[index]) throw new Error(`${release.url} has SHA-256 ${sum}, not ${sums[index]}`);
    place(content, release, directory);
  }
}

/** @param {string} url */
function fileName(url) {
  return url.slice(url.lastIndexOf('/') + 1);
}

/**
 * @param {string} url
 * @param {string} name
 * @param {AbortSignal} signal
 */
async function publishedSum(url, name, signal) {
  const lines = (await download(url, signal)).toString('utf8').split('\n');
  const line = lines.find((candidate) => candidate.includes(name)) ?? lines[0] ?? '';
  const sum = line.match(/\b[0-9a-f]{64}\b/)?.[0];
  if (sum === undefined) throw new Error(`${url} holds no SHA-256 of ${name}`);
  return sum;
}

/**
 * @param {string} url
 * @param {AbortSignal} signal
 */
async function download(url, signal) {
  const response = await fetch(url, { signal });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}

/**
 * @param {Buffer} content
 * @param {Release} release
 * @param {string} directory
 */
function place(content, { program, member }, directory) {
  const path = join(directory, program);
  if (member === undefined) {
    writeFileSync(path, content);
  } else {
    const archive = `${path}.tar.gz`;
    writeFileSync(archive, content);
    const tar = spawnSync('tar', ['-xzOf', archive, member], { maxBuffer: 2 ** 30 });
    rmSync(archive);
    if (tar.status !== 0) throw new Error(`${member} is not in the archive of ${program}: ${tar.stderr}`);
    writeFileSync(path, tar.stdout);
  }
  chmodSync(path, 0o755);
}
