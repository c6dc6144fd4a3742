// Objects that caches hold by the ten thousand.
import { setFlagsFromString } from 'node:v8';
import { runInThisContext } from 'node:vm';
import { expect, test } from 'vitest';
import { type KubeObject, withoutField } from '#src/kube/kube-object.ts';

setFlagsFromString('--allow-natives-syntax');
const isHashTable = runInThisContext('(object) => !%HasFastProperties(object)') as (object: object) => boolean;

function objectOf(metadata: object): KubeObject {
  const named = { name: 'crawl-1', namespace: 'team-1', uid: 'uid-1', resourceVersion: '7', ...metadata };
  return JSON.parse(JSON.stringify({ apiVersion: 'v1', kind: 'Thing', metadata: named }));
}

test('a field of the metadata goes, and what is left takes no more memory than it needs', () => {
  const object = objectOf({
    annotations: { note: 'x' },
    managedFields: [{}],
    creationTimestamp: '2026-01-01T00:00:00Z',
  });
  object.metadata = withoutField(object.metadata, 'managedFields');
  object.metadata = withoutField(object.metadata, 'annotations');
  const { metadata } = objectOf({ creationTimestamp: '2026-01-01T00:00:00Z' });
  expect(object.metadata).toEqual(metadata);
  expect(isHashTable(object.metadata)).toBe(false);
});

test('metadata without the field stays the same object', () => {
  const { metadata } = objectOf({ labels: { team: 'a' } });
  expect(withoutField(metadata, 'annotations')).toBe(metadata);
});
