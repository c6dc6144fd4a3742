// The documents of html5lib's tree-construction tests, as a Go module carries them: the one of dev/kubelite, so that its
// version and checksum stand there.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { projectRoot } from '../../dev/setup/paths.mjs';

export type CorpusDocument = { readonly file: string; readonly number: number; readonly html: string };

const FOLDER = join('html', 'testdata', 'html5lib-tests', 'tree-construction');

/** Whole documents that are meant for parsers with scripts on; tests of fragments are left out. */
export async function html5libDocuments(): Promise<readonly CorpusDocument[]> {
  const { stdout } = await execa('go', ['mod', 'download', '-json', 'golang.org/x/net'], {
    cwd: join(projectRoot, 'dev', 'kubelite'),
  });
  const folder = join((JSON.parse(stdout) as { Dir: string }).Dir, FOLDER);
  const files = (await readdir(folder)).filter((name) => name.endsWith('.dat')).sort();
  const documents = await Promise.all(
    files.map(async (file) => documentsOf(file, await readFile(join(folder, file), 'utf8'))),
  );
  return documents.flat();
}

/** A test is a `#data` section and what is expected of it, until the next one. */
function documentsOf(file: string, text: string): CorpusDocument[] {
  return text
    .split(/(?:^|\n\n)#data\n/)
    .slice(1)
    .map((test, number) => {
      const [html = '', ...rest] = test.split(/\n#errors(?:\n|$)/);
      return { file, number, html, expected: rest.join('') };
    })
    .filter(({ expected }) => !/^#(document-fragment|script-off)$/m.test(expected))
    .map(({ file, number, html }) => ({ file, number, html }));
}
