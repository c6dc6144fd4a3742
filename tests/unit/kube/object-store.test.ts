// Which version of an object wins, and what subscribers are told.
import { expect, test } from 'vitest';
import type { KubeObject } from '#src/kube/kube-object.ts';
import { createObjectStore } from '#src/kube/object-store.ts';

interface Fish extends KubeObject {
  colour: string;
}

function fish(name: string, version: number, { uid = `${name}-1`, colour = 'red' } = {}): Fish {
  const metadata = { namespace: 'sea', name, uid, resourceVersion: String(version) };
  return { apiVersion: 'v1', kind: 'Fish', metadata, colour };
}

function aquarium() {
  const changes: string[] = [];
  const store = createObjectStore<Fish, 'colour'>({ colour: ({ colour }) => [colour] }, ({ type, object }) =>
    changes.push(`${type} ${object.metadata.uid}@${object.metadata.resourceVersion}`),
  );
  return { store, changes };
}

test('a list adds, updates and deletes', () => {
  const { store, changes } = aquarium();
  store.replaceAll([fish('a', 1), fish('b', 2), fish('c', 3)], '3');
  store.replaceAll([fish('a', 1), fish('b', 5)], '6');
  expect(changes.slice(3)).toEqual(['deleted c-1@3', 'updated b-1@5']);
  expect(store.version).toBe('6');
});

test('an object is known in its very version alone', () => {
  const { store } = aquarium();
  const there = fish('a', 1);
  store.replaceAll([there], '1');
  expect(store.known(fish('a', 1))).toBe(there);
  expect(store.known(fish('a', 2))).toBeUndefined();
  expect(store.known(fish('a', 1, { uid: 'other' }))).toBeUndefined();
  expect(store.known(fish('b', 1))).toBeUndefined();
});

test('an index follows its objects', () => {
  const { store } = aquarium();
  store.replaceAll([fish('a', 1), fish('b', 2)], '2');
  store.put(fish('a', 3, { colour: 'blue' }));
  expect(store.byIndex('colour', 'red').map(({ metadata }) => metadata.name)).toEqual(['b']);
  store.remove(fish('b', 4));
  expect(store.byIndex('colour', 'red')).toEqual([]);
  expect(store.byIndex('colour', 'blue')).toHaveLength(1);
});

test('an older event changes nothing', () => {
  const { store, changes } = aquarium();
  store.replaceAll([fish('a', 10)], '10');
  store.put(fish('a', 9));
  store.remove(fish('a', 8));
  expect(changes).toEqual(['added a-1@10']);
  expect(store.version).toBe('10');
});

test('versions are compared as numbers of any length', () => {
  const { store } = aquarium();
  store.replaceAll([fish('a', 9)], '9');
  store.put(fish('a', 10));
  expect(store.get({ namespace: 'sea', name: 'a' })?.metadata.resourceVersion).toBe('10');
});

test('the same name with another UID: deleted, then added', () => {
  const { store, changes } = aquarium();
  store.replaceAll([fish('a', 1)], '1');
  store.put(fish('a', 5, { uid: 'a-2' }));
  store.remove(fish('a', 4));
  expect(changes.slice(1)).toEqual(['deleted a-1@1', 'added a-2@5']);
});

test('a write of our own is seen at once, and its event is no second change', () => {
  const { store, changes } = aquarium();
  store.replaceAll([], '10');
  store.observe(fish('a', 12));
  store.put(fish('a', 12));
  expect(changes).toEqual(['added a-1@12']);
});

test('a list made before our write does not delete it', () => {
  const { store, changes } = aquarium();
  store.replaceAll([], '10');
  store.observe(fish('a', 12));
  store.replaceAll([], '11');
  expect(changes).toEqual(['added a-1@12']);
  store.replaceAll([], '13');
  expect(changes).toEqual(['added a-1@12', 'deleted a-1@12']);
});

test('an answer that comes after the deletion does not bring the object back', () => {
  const { store, changes } = aquarium();
  store.replaceAll([], '10');
  store.put(fish('a', 11));
  store.remove(fish('a', 12));
  store.observe(fish('a', 11));
  expect(changes).toEqual(['added a-1@11', 'deleted a-1@12']);
  expect(store.size).toBe(0);
});

test('after a restored backup the list is the truth', () => {
  const { store, changes } = aquarium();
  store.replaceAll([fish('a', 100), fish('b', 101)], '110');
  store.replaceAll([fish('a', 50)], '60');
  expect(changes.slice(2)).toEqual(['deleted b-1@101', 'updated a-1@50']);
  expect(store.version).toBe('60');
  store.put(fish('a', 61));
  expect(changes.at(-1)).toBe('updated a-1@61');
});
