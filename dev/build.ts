// `npm run build`: bundles the programs into build/: the build contexts of their images, and the kubectl plugin.
import { chmod, cp, link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { COMPLETION_SCRIPT } from '../src/cli/plugin/completion-script.ts';
import { functionTexts, migrationTexts } from '../src/store/sql/texts.ts';
import { packForKrew } from './krew.ts';
import { projectRoot } from './setup/paths.mjs';

const nodeBinary = join(projectRoot, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node');

/** In the image for those who install it on their nodes. */
const seccompProfile = join(projectRoot, 'crawler-image', 'chromium-seccomp.json');

/** What lays out the build context of an image; images that are not here have theirs in the source. */
export const contexts: Record<string, () => Promise<void>> = {
  operator: () => programContext('operator', 'operator/main.ts', []),
  crawler: crawlerContext,
  web: webContext,
};

async function crawlerContext(): Promise<void> {
  await programContext('crawler', 'crawler-image/main.ts', ['playwright', 'playwright-core']);
  await cp(seccompProfile, join(projectRoot, 'build', 'crawler', basename(seccompProfile)));
}

/** `packages` stay outside the bundle: they find files of theirs by their own place. */
async function programContext(name: string, main: string, packages: string[]): Promise<void> {
  const directory = await emptyContext(name);
  await bundle(join(projectRoot, main), directory, { external: packages });
  for (const dependency of packages) {
    const target = join(directory, 'node_modules', dependency);
    await cp(join(projectRoot, 'node_modules', dependency), target, { recursive: true });
  }
}

/** On the PATH, it is the command `kubectl trawler`. Runs on the machine's own Node. Also what completes it, and what Krew installs. */
export async function kubectlPlugin(directory = join(projectRoot, 'build', 'cli')): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  await bundle(join(projectRoot, 'src', 'cli', 'kubectl-trawler.ts'), directory, { inOneFile: true });
  const plugin = join(directory, 'kubectl-trawler');
  await writeFile(plugin, '#!/bin/sh\nexec node "$(dirname "$(readlink -f "$0")")/main.js" "$@"\n');
  await chmod(plugin, 0o755);
  const completion = join(directory, 'kubectl_complete-trawler');
  await writeFile(completion, COMPLETION_SCRIPT);
  await chmod(completion, 0o755);
  await packForKrew(directory);
}

/** The web server of the demo site is TypeScript that Node runs as it is. */
async function webContext(): Promise<void> {
  const directory = await emptyContext('web');
  await cp(join(projectRoot, 'dev', 'site'), join(directory, 'site'), { recursive: true });
}

/** A folder with nothing in it but the Node binary that the image runs. */
async function emptyContext(name: string): Promise<string> {
  const directory = join(projectRoot, 'build', name);
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  // A hard link: 120 MB that need not be copied.
  await link(nodeBinary, join(directory, 'node'));
  return directory;
}

export type BundleOptions = {
  /** Packages that stay outside. */
  readonly external?: readonly string[];
  /** What is imported on demand is in it as well, as for a program that is installed as one file. */
  readonly inOneFile?: boolean;
};

/**
 * Bundles the program, and each file that it starts as a worker thread, into `<directory>/<file name>.js`. What is imported on demand
 * is a file beside them, which processes that do not need it never read.
 */
export async function bundle(entry: string, directory: string, options: BundleOptions = {}): Promise<void> {
  const threads = new Set<string>();
  await bundleOne(entry, 'main', directory, options, threads);
  for (const thread of threads) {
    await bundleOne(thread, basename(thread, '.ts'), directory, options, threads);
  }
  await writeFile(join(directory, 'package.json'), JSON.stringify({ type: 'module' }));
}

async function bundleOne(
  entry: string,
  name: string,
  directory: string,
  { external = [], inOneFile = false }: BundleOptions,
  threads: Set<string>,
): Promise<void> {
  await build({
    entryPoints: [{ in: entry, out: name }],
    outdir: directory,
    splitting: !inOneFile,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    // Optional parts of pg and of the Kubernetes client that are not installed.
    external: [...external, 'pg-native'],
    sourcemap: 'linked',
    sourcesContent: false,
    // Node keeps the source in memory. Names stay, so that stack traces can be read without the map.
    minifyWhitespace: true,
    minifySyntax: true,
    // Beside it, as a single letter that is not ASCII doubles what Node needs for the source.
    legalComments: 'linked',
    plugins: [sqlTexts, withoutLanguages, withoutModels, threadFiles(threads)],
    banner: { js: banner },
    logLevel: 'warning',
  });
}

// CommonJS packages call require; stack traces name the source's lines.
const banner = `import { createRequire as makeRequire } from 'node:module';
const require = makeRequire(import.meta.url);
process.setSourceMapsEnabled(true);`;

/** Collects what is named by `new URL('./….ts', import.meta.url)`, and names its bundle, beside main.js, instead. */
function threadFiles(found: Set<string>): Plugin {
  const reference = /new URL\('(\.{1,2}\/[^']+\.ts)', import\.meta\.url\)/g;
  return {
    name: 'thread-files',
    setup: ({ onLoad }) => {
      onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const source = await readFile(path, 'utf8');
        const contents = source.replace(reference, (_, file: string) => {
          found.add(resolve(dirname(path), file));
          return `new URL('./${basename(file).replace(/ts$/, 'js')}', import.meta.url)`;
        });
        return { contents: inAscii(contents), loader: 'ts' };
      });
    },
  };
}

/** As esbuild writes strings: what it leaves in regular expressions would double what Node needs for the whole source. */
function inAscii(source: string): string {
  return source.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** zod's messages in other languages than English, a tenth of a bundle: nothing asks for them. */
const withoutLanguages: Plugin = {
  name: 'without-languages',
  setup: ({ onLoad }) => {
    onLoad({ filter: /\/zod\/v4\/locales\/index\.js$/ }, () => ({
      contents: `export { default as en } from './en.js';`,
    }));
  },
};

/**
 * The seven hundred classes of the Kubernetes client's models, an eighth of a bundle. The modules that name them all do nothing when they are
 * loaded, so they can stay out where nobody uses them. Models have a version in their names, and are not asked about: a call for each of their
 * imports made the build take four times as long.
 */
const withoutModels: Plugin = {
  name: 'without-models',
  setup: ({ onResolve, resolve }) => {
    onResolve({ filter: /^[./a-zA-Z_]+\.js$|Api\.js$/ }, async ({ path, importer, resolveDir, kind, pluginData }) => {
      if (pluginData === withoutModels || !importer.includes('/@kubernetes/client-node/')) return undefined;
      const found = await resolve(path, { resolveDir, kind, importer, pluginData: withoutModels });
      return { ...found, sideEffects: false };
    });
  },
};

/** Puts the texts of the SQL files in the place of the module that reads them: images hold no `.sql`. */
const sqlTexts: Plugin = {
  name: 'sql-texts',
  setup: ({ onLoad }) => {
    onLoad({ filter: /\/src\/store\/sql\/texts\.ts$/ }, () => ({
      contents: Object.entries({ functionTexts, migrationTexts })
        .map(([name, texts]) => `export const ${name} = ${JSON.stringify(texts)};\n`)
        .join(''),
      loader: 'js',
    }));
  },
};

if (import.meta.main) {
  const started = performance.now();
  await Promise.all([...Object.values(contexts), () => kubectlPlugin()].map((make) => make()));
  console.log(`bundled into build/ in ${((performance.now() - started) / 1000).toFixed(1)} s`);
}
