// Where there is no image registry to pull from: `debian:bookworm-slim`, made of Debian's own packages.
import { existsSync } from 'node:fs';
import { appendFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { cacheDirectory } from '../setup/paths.mjs';
import { buildah } from './buildah.ts';

export const baseReference = 'docker.io/library/debian:bookworm-slim';

const mirror = 'http://deb.debian.org';
const directory = join(cacheDirectory, 'debian-bookworm-slim');
const archive = join(directory, 'rootfs.tar');

const sources = `deb ${mirror}/debian bookworm main
deb ${mirror}/debian bookworm-updates main
deb ${mirror}/debian-security bookworm-security main
`;

// As the official slim image does: what nobody reads in a container is not unpacked.
const slim = `path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/locale/*
path-exclude /usr/share/man/*
path-exclude /usr/share/info/*
`;

/** Makes the base image known to buildah, unless it is. The root file system is kept in the cache. */
export async function ensureBase(report: (line: string) => void, signal: AbortSignal): Promise<void> {
  const known = await buildah(['images', '--quiet', '--filter', `reference=${baseReference}`], {
    cancelSignal: signal,
  });
  if (known.stdout.trim() !== '') return;
  if (!existsSync(archive)) await makeRootfs(report, signal);
  report('importing the base image');
  await writeFile(join(directory, 'Dockerfile'), 'FROM scratch\nADD rootfs.tar /\nCMD ["bash"]\n');
  await buildah(['bud', '--quiet', '--tag', baseReference, directory], { cancelSignal: signal });
}

async function makeRootfs(report: (line: string) => void, signal: AbortSignal): Promise<void> {
  const rootfs = join(directory, 'rootfs');
  await rm(rootfs, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  const debootstrap = execa('debootstrap', ['--variant=minbase', 'bookworm', rootfs, `${mirror}/debian`], {
    cancelSignal: signal,
    stdin: 'ignore',
    all: true,
  });
  for await (const line of debootstrap.iterable({ from: 'all' })) report(String(line).replace(/^I: /, ''));
  await debootstrap;

  await writeFile(join(rootfs, 'etc/apt/sources.list'), sources);
  await appendFile(join(rootfs, 'etc/dpkg/dpkg.cfg.d/slim'), slim);
  // Nothing in an image is to start a service, and no cached package is of use in one.
  await writeFile(join(rootfs, 'usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  for (const path of ['var/cache/apt/archives', 'var/lib/apt/lists', 'var/log', 'usr/share/doc', 'usr/share/locale']) {
    await rm(join(rootfs, path), { recursive: true, force: true });
    await mkdir(join(rootfs, path), { recursive: true });
  }
  report('packing the base image');
  // Renamed when complete: a crash in the middle leaves no half of it.
  await execa('tar', ['-C', rootfs, '--numeric-owner', '-cf', `${archive}.part`, '.'], { cancelSignal: signal });
  await rename(`${archive}.part`, archive);
  await rm(rootfs, { recursive: true, force: true });
}
