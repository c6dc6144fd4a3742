import { expect, test } from 'vitest';
import { boundedLabel, OTHER } from '#src/gateway/bounded-label.ts';

test('the first values are told apart, all others are one', () => {
  const label = boundedLabel(2);
  expect(['a', 'b', 'a', 'c', 'd', 'b', 'c'].map(label)).toEqual(['a', 'b', 'a', OTHER, OTHER, 'b', OTHER]);
});
