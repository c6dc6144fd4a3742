// Brings built images into the runtime of a node, sending only the layers that it does not have yet.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';
import { exportDirectory, type Manifest, readManifest } from '../images/build.ts';
import type { ImageSource } from '../images/catalog.ts';
import { ctr, loadedImages } from './containerd.ts';
import type { ClusterNode } from './nodes.ts';

/** Loads the image as it was exported last, unless it is loaded. Returns whether it did. */
export async function loadImage(node: ClusterNode, image: ImageSource, signal: AbortSignal): Promise<boolean> {
  const manifest = await readManifest(image);
  if ((await loadedImages(node, signal)).get(image.reference) === manifest.digest) return false;

  const present = new Set((await ctr(node, signal, ['content', 'ls', '--quiet'])).split('\n'));
  const missing = manifest.layers.filter((digest) => !present.has(digest));
  const archive = pack();
  try {
    const imported = ctr(node, signal, ['images', 'import', '-'], Readable.from(archive));
    await Promise.all([imported, writeArchive(archive, image, manifest, missing)]);
  } finally {
    // When one end breaks, the other ends too.
    archive.destroy();
  }
  return true;
}

/** An OCI archive with some of the image's layers: the runtime looks up the others by their digests. */
async function writeArchive(tar: Pack, image: ImageSource, manifest: Manifest, layers: string[]): Promise<void> {
  // The runtime names the image by this annotation.
  const annotations = { 'io.containerd.image.name': image.reference };
  const { digest, mediaType, text } = manifest;
  const entry = { digest, mediaType, size: Buffer.byteLength(text), annotations };
  tar.entry({ name: 'oci-layout' }, JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  tar.entry({ name: 'index.json' }, JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
  tar.entry({ name: blobName(digest) }, text);
  for (const blob of new Set([manifest.config, ...layers])) {
    const source = join(exportDirectory(image), blob.replace('sha256:', ''));
    const { size } = await stat(source);
    await pipeline(createReadStream(source), tar.entry({ name: blobName(blob), size }));
  }
  tar.finalize();
}

function blobName(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`;
}
