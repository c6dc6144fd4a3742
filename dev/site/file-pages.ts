// A folder of files as a site: what the tests crawl when they want real pages instead of the demo shop.
import { readFile, realpath, stat } from 'node:fs/promises';
import { extname, join, sep } from 'node:path';
import { type Pages, redirect, reply } from './reply.ts';

const TYPES: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.gif': 'image/gif',
  '.htm': 'text/html; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.xml': 'application/xml',
};

/** Serves the files under `root`, a folder's index.html included. Links that lead out of the folder are not followed. */
export async function createFilePages(root: string): Promise<Pages> {
  const top = await realpath(root);
  return async ({ path, query }) => {
    const file = await locate(top, path);
    if (file === undefined) return undefined;
    if ((await stat(file)).isDirectory()) {
      if (!path.endsWith('/')) return redirect(301, `${encodeURI(path)}/${query.size > 0 ? `?${query}` : ''}`);
      const index = await locate(top, `${path}index.html`);
      return index === undefined ? undefined : reply(200, typeOf(index), await readFile(index));
    }
    return reply(200, typeOf(file), await readFile(file));
  };
}

/** The file's real place, where it exists inside `top`. */
async function locate(top: string, path: string): Promise<string | undefined> {
  try {
    const file = await realpath(join(top, path));
    return file === top || file.startsWith(top + sep) ? file : undefined;
  } catch {
    // No such file, or a name that no file can have.
    return undefined;
  }
}

function typeOf(file: string): string {
  return TYPES[extname(file).toLowerCase()] ?? 'application/octet-stream';
}
