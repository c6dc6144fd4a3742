import { describe, expect, it } from 'vitest';
import { type LockedPackages, missingPackages, withPackage } from '../../../dev/lock/missing-packages.ts';

const native = { version: '1.0.0', optional: true };

describe('missing packages of a lock file', () => {
  const cases: [title: string, packages: LockedPackages, missing: string[]][] = [
    ['nothing is optional', { '': {}, 'node_modules/a': { version: '1.0.0' } }, []],
    [
      'every platform is there',
      { 'node_modules/a': { optionalDependencies: { 'a-linux': '1.0.0' } }, 'node_modules/a-linux': native },
      [],
    ],
    ['a platform is missing', { 'node_modules/a': { optionalDependencies: { 'a-win': '1.0.0' } } }, ['a-win@1.0.0']],
    ['the project itself asks', { '': { optionalDependencies: { b: '2.0.0' } } }, ['b@2.0.0']],
    [
      'it is in the folder of the package that asks',
      {
        'node_modules/a/node_modules/c': { optionalDependencies: { d: '1.0.0' } },
        'node_modules/a/node_modules/c/node_modules/d': native,
      },
      [],
    ],
    [
      'it is in the folder of a package around it',
      {
        'node_modules/a/node_modules/c': { optionalDependencies: { d: '1.0.0' } },
        'node_modules/a/node_modules/d': native,
      },
      [],
    ],
    [
      'it is in the folder of another package only',
      {
        'node_modules/a/node_modules/c': { optionalDependencies: { d: '1.0.0' } },
        'node_modules/b/node_modules/d': native,
      },
      ['d@1.0.0'],
    ],
  ];
  it.each(cases)('%s', (_title, packages, missing) => {
    expect(missingPackages(packages).map(({ name, version }) => `${name}@${version}`)).toEqual(missing);
  });

  it('adds an entry where npm would write it, and changes no other', () => {
    const packages = { '': {}, 'node_modules/a': native, 'node_modules/c': native };
    const added = withPackage(packages, 'node_modules/b', native);
    expect(Object.keys(added)).toEqual(['', 'node_modules/a', 'node_modules/b', 'node_modules/c']);
    expect(missingPackages({ ...added, 'node_modules/a': { optionalDependencies: { b: '1.0.0' } } })).toEqual([]);
  });
});
