// Builds an image when what goes into it has changed, and leaves its OCI layout in the cache for the cluster.
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { cacheDirectory } from '../setup/paths.mjs';
import type { ImageSource } from './catalog.ts';
import type { Engine, WorkOptions } from './engine.ts';

/** Folder of the image's OCI layout. */
export function layoutDirectory({ name }: ImageSource): string {
  return join(cacheDirectory, 'images', name);
}

/** Builds the image unless its Dockerfile and context are as they were. Returns whether it built. */
export async function buildImage(image: ImageSource, engine: Engine, options: WorkOptions): Promise<boolean> {
  const directory = layoutDirectory(image);
  const builtFrom = join(directory, 'built-from');
  const inputs = await inputsHash(image, engine.name);
  if (existsSync(builtFrom) && (await readFile(builtFrom, 'utf8')) === inputs) return false;

  await engine.build(image, options);
  await mkdir(directory, { recursive: true });
  options.report('exporting');
  await engine.exportLayout(image, directory, options);
  // Last, so that an interrupted build counts as none.
  await writeFile(builtFrom, inputs);
  return true;
}

/** Changes whenever the image does. */
export async function layoutDigest(image: ImageSource): Promise<string> {
  return (await readManifest(image)).digest;
}

export interface Descriptor {
  digest: string;
  mediaType: string;
  size: number;
  annotations?: Record<string, string>;
}

const referenceAnnotation = 'org.opencontainers.image.ref.name';

/** What the layout's index says of the image. */
export async function readManifest(image: ImageSource): Promise<Descriptor> {
  const layout = layoutDirectory(image);
  const index: { manifests: Descriptor[] } = JSON.parse(await readFile(join(layout, 'index.json'), 'utf8'));
  // Engines differ in what they write there; the newest is the last.
  const named = index.manifests.find(({ annotations }) => annotations?.[referenceAnnotation] === image.reference);
  const manifest = named ?? index.manifests.at(-1);
  if (!manifest) throw new Error(`there is no image in ${layout}; delete that folder to build it again`);
  return manifest;
}

async function inputsHash({ dockerfile, context }: ImageSource, engine: string): Promise<string> {
  const hash = createHash('sha256').update(`${engine}\n${await readFile(dockerfile, 'utf8')}`);
  const entries = await readdir(context, { recursive: true, withFileTypes: true });
  const paths = entries.map((entry) => ({ entry, path: join(entry.parentPath, entry.name) }));
  for (const { entry, path } of paths.sort((a, b) => (a.path < b.path ? -1 : 1))) {
    hash.update(`\n${path}\n`);
    if (entry.isSymbolicLink()) hash.update(await readlink(path));
    else if (entry.isFile())
      await pipeline(createReadStream(path), async (parts) => {
        for await (const part of parts) hash.update(part);
      });
  }
  return hash.digest('hex');
}
