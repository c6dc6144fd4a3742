// The SQL files of this folder as texts, by file name without `.sql`. From source they are read from the disk; the
// build puts their texts in the place of this module, see dev/build.ts.
import { readdirSync, readFileSync } from 'node:fs';

export const functionTexts: Readonly<Record<string, string>> = readFolder(new URL('functions/', import.meta.url));
export const migrationTexts: Readonly<Record<string, string>> = readFolder(new URL('migrations/', import.meta.url));

function readFolder(folder: URL): Record<string, string> {
  const files = readdirSync(folder)
    .filter((file) => file.endsWith('.sql'))
    .sort();
  return Object.fromEntries(
    files.map((file) => [file.slice(0, -'.sql'.length), readFileSync(new URL(file, folder), 'utf8')]),
  );
}
