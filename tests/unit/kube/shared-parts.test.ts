import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createPartSharing } from '../../../src/kube/shared-parts.ts';

const scope = { mode: 'Host', exclude: [], dropParameters: ['utm_*', 'gclid'] };

test('parts that are equal are one, however deep they lie and whatever is around them', () => {
  const share = createPartSharing();
  const made = ['a', 'b', 'c', 'd', 'e'].map((name) =>
    share(structuredClone({ metadata: { name }, spec: { sources: [{ name, scope }], priority: 0 } })),
  );
  // A whole is recognised from the time on when each of its parts is: words first, then the list, then the scope.
  const [, second, third, fourth, fifth] = made.map(({ spec }) => spec.sources[0]?.scope);
  expect(third?.dropParameters).toBe(second?.dropParameters);
  expect(fifth).toBe(fourth);
  expect(fifth).toEqual(scope);
  expect(made.map(({ metadata }) => metadata.name)).toEqual(['a', 'b', 'c', 'd', 'e']);
});

test('whatever is shared says what it said before', () => {
  // Many that are equal: few kinds of leaves.
  const leaf = fc.constantFrom('x', 'y', '{"x":"y"}', '["x"]', '', 1, true, null, {}, []);
  const tree = fc.letrec((tie) => ({
    node: fc.oneof({ maxDepth: 4 }, leaf, fc.array(tie('node'), { maxLength: 3 }), branch(tie)),
  }));
  const objects = fc.array(fc.dictionary(fc.constantFrom('a', 'b', '__proto__', 'c'), tree.node), { maxLength: 20 });
  fc.assert(
    fc.property(objects, (given) => {
      const share = createPartSharing();
      const copies = given.map((object) => JSON.parse(JSON.stringify(object)) as object);
      expect(copies.map((copy) => JSON.stringify(share(copy)))).toEqual(given.map((object) => JSON.stringify(object)));
    }),
  );
});

function branch(tie: (key: string) => fc.Arbitrary<unknown>): fc.Arbitrary<object> {
  return fc.dictionary(fc.constantFrom('a', 'b'), tie('node'), { maxKeys: 2 });
}

test('what nobody has met for long is forgotten, what is met again and again is not', () => {
  const share = createPartSharing();
  const common = () => ({ labels: ['common'] });
  const rare = share({ labels: ['rare'] });
  share(common());
  const kept = share(common()).labels;
  for (let n = 0; n < 10_000; n += 1) {
    share({ name: `only-${n}` });
    share(common());
  }
  expect(share(common()).labels).toBe(kept);
  share({ labels: ['rare'] });
  expect(share({ labels: ['rare'] }).labels).not.toBe(rare.labels);
});
