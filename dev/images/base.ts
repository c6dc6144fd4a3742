// Where there is no image registry to pull from: `debian:bookworm-slim`, made of Debian's own packages.
import { existsSync } from 'node:fs';
import { appendFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { cacheDirectory } from '../setup/paths.mjs';
import { type AptSource, machineSources, parseOneLine, sourcesList } from './apt-sources.ts';
import { buildah } from './buildah.ts';

export const baseReference = 'docker.io/library/debian:bookworm-slim';

const release = 'bookworm';
const directory = join(cacheDirectory, 'debian-bookworm-slim');
const archive = join(directory, 'rootfs.tar');

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
  const known = await machineSources(release);
  const mirror = known.find(({ suite }) => suite === release)?.uri;
  // Without a mirror debootstrap takes the default of its release.
  const debootstrap = execa('debootstrap', ['--variant=minbase', release, rootfs, ...(mirror ? [mirror] : [])], {
    cancelSignal: signal,
    stdin: 'ignore',
    all: true,
  });
  for await (const line of debootstrap.iterable({ from: 'all' })) report(String(line).replace(/^I: /, ''));
  await debootstrap;

  const list = join(rootfs, 'etc/apt/sources.list');
  const sources = mirror ? known : withUpdates(parseOneLine(await readFile(list, 'utf8')));
  await writeFile(list, sourcesList(sources));
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

/** What debootstrap wrote, with the updates that Debian's mirrors keep beside the release. */
function withUpdates(sources: AptSource[]): AptSource[] {
  return sources.flatMap(({ uri, suite }) => [
    { uri, suite },
    { uri, suite: `${suite}-updates` },
    { uri: `${uri.replace(/\/$/, '')}-security`, suite: `${suite}-security` },
  ]);
}
