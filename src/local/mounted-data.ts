// What a pod would have mounted, as files of a folder: ConfigMaps and Secrets that a crawl names.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type LocalData, type Manifest, ManifestError } from './manifest.ts';

/** Writes the files below the folder; the environment variables with which a worker finds them. */
export async function writeMountedData({ spec, data }: Manifest, folder: string): Promise<Record<string, string>> {
  const at = (name: string) => join(folder, name);
  const places = {
    TRAWLER_PROXY_FILE: at('proxy/url'),
    TRAWLER_CA_FILE: at('ca/ca.crt'),
    TRAWLER_EXTRACTOR_DIR: at('extractor'),
    TRAWLER_URL_LISTS_DIR: at('url-lists'),
    TRAWLER_HEADERS_DIR: at('headers'),
  };
  const { proxy, extract, sources, fetch } = spec;
  const files: [path: string, content: Buffer][] = [];
  if (proxy !== undefined && proxy.mode !== 'Off') {
    files.push([places.TRAWLER_PROXY_FILE, one(data, 'Secret', proxy.urlSecretRef, 'spec.proxy.urlSecretRef')]);
  }
  if (fetch.caSecretRef !== undefined) {
    files.push([places.TRAWLER_CA_FILE, one(data, 'Secret', fetch.caSecretRef, 'spec.fetch.caSecretRef')]);
  }
  const module = extract?.module?.configMap;
  if (module !== undefined) {
    const content = one(data, 'ConfigMap', module, 'spec.extract.module.configMap');
    files.push([join(places.TRAWLER_EXTRACTOR_DIR, module.key), content]);
  }
  for (const [index, { name, active, urlsFrom }] of sources.entries()) {
    if (urlsFrom === undefined || !active) continue;
    const content = one(data, 'ConfigMap', urlsFrom.configMap, `spec.sources[${index}].urlsFrom.configMap`);
    files.push([join(places.TRAWLER_URL_LISTS_DIR, name), content]);
  }
  if (fetch.headersSecretRef !== undefined) {
    for (const [key, value] of all(data, 'Secret', fetch.headersSecretRef.name, 'spec.fetch.headersSecretRef')) {
      files.push([join(places.TRAWLER_HEADERS_DIR, key), value]);
    }
  }
  for (const [path, content] of files) {
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, content, { mode: 0o600 });
  }
  return places;
}

function all(data: LocalData, kind: 'Secret' | 'ConfigMap', name: string, path: string): ReadonlyMap<string, Buffer> {
  const found = data.get(`${kind}/${name}`);
  if (found !== undefined) return found;
  const message = `there is no ${kind} "${name}" in the file: put it there as another document`;
  throw new ManifestError('', [{ path, message }]);
}

function one(
  data: LocalData,
  kind: 'Secret' | 'ConfigMap',
  { name, key }: { readonly name: string; readonly key: string },
  path: string,
): Buffer {
  const content = all(data, kind, name, path).get(key);
  if (content !== undefined) return content;
  throw new ManifestError('', [{ path, message: `the ${kind} "${name}" has no key "${key}"` }]);
}
