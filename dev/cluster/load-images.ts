// Brings built images into the native cluster's runtime, sending only the layers that it does not have yet.
import { createReadStream, createWriteStream } from 'node:fs';
import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';
import { type Descriptor, layoutDirectory, readManifest } from '../images/build.ts';
import type { ImageSource } from '../images/catalog.ts';
import { clusterDirectory } from '../setup/paths.mjs';
import { ctr, loadedImages } from './containerd.ts';

/** Loads the image's current layout, unless it is loaded. Returns whether it did. */
export async function loadImage(image: ImageSource, signal: AbortSignal): Promise<boolean> {
  const layout = layoutDirectory(image);
  const manifest = await readManifest(image);
  if ((await loadedImages(signal)).get(image.reference) === manifest.digest) return false;

  const archive = join(clusterDirectory, `${image.name}.tar`);
  try {
    // The runtime names the image by this annotation.
    const named = { ...manifest, annotations: { 'io.containerd.image.name': image.reference } };
    await packMissing(archive, layout, named, await blobsInRuntime(signal));
    await ctr(signal, 'images', 'import', archive);
  } finally {
    await rm(archive, { force: true });
  }
  return true;
}

async function blobsInRuntime(signal: AbortSignal): Promise<Set<string>> {
  return new Set((await ctr(signal, 'content', 'ls', '--quiet')).split('\n'));
}

/** An OCI archive without the layers that the runtime has: it looks those up by their digests. */
async function packMissing(archive: string, layout: string, manifest: Descriptor, present: Set<string>): Promise<void> {
  const content: { config: Descriptor; layers: Descriptor[] } = JSON.parse(
    await readFile(blobPath(layout, manifest.digest), 'utf8'),
  );
  const layers = content.layers.map(({ digest }) => digest).filter((digest) => !present.has(digest));
  const tar = pack();
  const written = pipeline(tar, createWriteStream(archive));
  tar.entry({ name: 'oci-layout' }, JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  tar.entry({ name: 'index.json' }, JSON.stringify({ schemaVersion: 2, manifests: [manifest] }));
  for (const digest of new Set([manifest.digest, content.config.digest, ...layers])) {
    await addFile(tar, `blobs/${digest.replace(':', '/')}`, blobPath(layout, digest));
  }
  tar.finalize();
  await written;
}

async function addFile(tar: Pack, name: string, path: string): Promise<void> {
  const { size } = await stat(path);
  await pipeline(createReadStream(path), tar.entry({ name, size }));
}

function blobPath(layout: string, digest: string): string {
  return join(layout, 'blobs', digest.replace(':', '/'));
}
