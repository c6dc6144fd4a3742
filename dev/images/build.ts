// Builds an image when what goes into it has changed, and leaves an export of it in the cache for the cluster.
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { cacheDirectory } from '../setup/paths.mjs';
import type { ImageSource } from './catalog.ts';
import type { Engine, WorkOptions } from './engine.ts';

/** Folder that the image is exported into (see Engine.export). */
export function exportDirectory({ name }: ImageSource): string {
  return join(cacheDirectory, 'images', name);
}

/** Builds the image unless its Dockerfile and context are as they were. Returns whether it built. */
export async function buildImage(image: ImageSource, engine: Engine, options: WorkOptions): Promise<boolean> {
  const directory = exportDirectory(image);
  const builtFrom = `${directory}.built-from`;
  const inputs = await inputsHash(image, engine.name);
  if (existsSync(builtFrom) && (await readFile(builtFrom, 'utf8')) === inputs) return false;

  await engine.build(image, options);
  options.report('exporting');
  await rm(directory, { recursive: true, force: true });
  await mkdir(dirname(directory), { recursive: true });
  await engine.export(image, directory, options);
  // Last, so that an interrupted build counts as none.
  await writeFile(builtFrom, inputs);
  return true;
}

export interface Manifest {
  digest: string;
  mediaType: string;
  text: string;
  /** Digests of the image's configuration and of its layers. */
  config: string;
  layers: string[];
}

/** The manifest of the image as it was exported last; its digest changes whenever the image does. */
export async function readManifest(image: ImageSource): Promise<Manifest> {
  const text = await readFile(join(exportDirectory(image), 'manifest.json'), 'utf8');
  const digest = `sha256:${createHash('sha256').update(text).digest('hex')}`;
  const { mediaType, config, layers }: { mediaType: string; config: Blob; layers: Blob[] } = JSON.parse(text);
  return { digest, mediaType, text, config: config.digest, layers: layers.map((layer) => layer.digest) };
}

interface Blob {
  digest: string;
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
