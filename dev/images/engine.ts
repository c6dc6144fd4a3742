// What builds images on this machine: a container engine where there is one, else buildah without any daemon.
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { ensureBase } from './base.ts';
import { buildah } from './buildah.ts';
import type { ImageSource } from './catalog.ts';

export interface WorkOptions {
  report(line: string): void;
  signal: AbortSignal;
}

export interface Engine {
  name: string;
  /** Makes the base image available. */
  prepare(options: WorkOptions): Promise<void>;
  build(image: ImageSource, options: WorkOptions): Promise<void>;
  /** Writes the image into an empty folder: `manifest.json`, and each blob under the hex digits of its SHA-256. */
  export(image: ImageSource, directory: string, options: WorkOptions): Promise<void>;
  /** Sends the image to a registry under another name. */
  push(image: ImageSource, target: string, options: WorkOptions): Promise<void>;
}

/** docker or podman if one answers, else buildah. */
export async function findEngine(signal: AbortSignal): Promise<Engine> {
  for (const command of ['docker', 'podman']) {
    const { failed } = await execa(command, ['info'], { reject: false, timeout: 10_000, cancelSignal: signal });
    if (!failed) return containerEngine(command);
  }
  return buildahEngine;
}

const buildahEngine: Engine = {
  name: 'buildah',
  prepare: ({ report, signal }) => ensureBase(report, signal),
  async build({ reference, dockerfile, context }, { report, signal }) {
    // Without a container runtime of its own: commands run chrooted, on the host's network.
    const isolation = ['--isolation', 'chroot', '--network', 'host', '--pull-never', '--layers'];
    const args = ['bud', ...isolation, '--tag', reference, '--file', dockerfile, context];
    await buildah(args, { cancelSignal: signal, onLine: report });
  },
  async export({ reference }, directory, { signal }) {
    // It is read on this machine: packing it would only cost time.
    const plain = ['--disable-compression', '--format', 'oci'];
    await buildah(['push', '--quiet', ...plain, reference, `dir:${directory}`], { cancelSignal: signal });
  },
  async push({ reference }, target, { report, signal }) {
    await buildah(['push', reference, `docker://${target}`], { cancelSignal: signal, onLine: report });
  },
};

function containerEngine(command: string): Engine {
  const run = async (args: string[], { report, signal }: WorkOptions) => {
    const child = execa(command, args, { cancelSignal: signal, stdin: 'ignore', all: true });
    for await (const line of child.iterable({ from: 'all' })) report(String(line));
    await child;
  };
  return {
    name: command,
    prepare: () => Promise.resolve(),
    build: ({ reference, dockerfile, context }, options) =>
      run(['build', '--tag', reference, '--file', dockerfile, context], options),
    async export({ reference }, directory, options) {
      const archive = `${directory}.tar`;
      const format = command === 'podman' ? ['--format', 'oci-archive'] : [];
      await run(['save', ...format, '--output', archive, reference], options);
      await mkdir(directory, { recursive: true });
      await execa('tar', ['-xf', archive, '-C', directory], { cancelSignal: options.signal });
      await rm(archive);
      await flatten(directory);
    },
    async push({ reference }, target, options) {
      await run(['tag', reference, target], options);
      await run(['push', target], options);
    },
  };
}

/** Makes of an OCI layout, which docker (25 or newer) and podman save, the folder that `export` promises. */
async function flatten(directory: string): Promise<void> {
  const index: { manifests: { digest: string }[] } = JSON.parse(await readFile(join(directory, 'index.json'), 'utf8'));
  const blobs = join(directory, 'blobs', 'sha256');
  for (const blob of await readdir(blobs)) await rename(join(blobs, blob), join(directory, blob));
  const digest = index.manifests.at(-1)?.digest ?? '';
  await rename(join(directory, digest.replace('sha256:', '')), join(directory, 'manifest.json'));
}
