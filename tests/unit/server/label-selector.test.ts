// Label selectors in memory: what they select, and what is left to the API server of Kubernetes.
import { expect, test } from 'vitest';
import { labelTest } from '#src/server/http/label-selector.ts';

const labels = { app: 'shop', 'trawler.dev/batch': '1', empty: '' };

test.each([
  ['app=shop', true],
  ['app==shop', true],
  ['app = shop', true],
  ['app=other', false],
  ['app!=shop', false],
  ['app!=other', true],
  ['none!=shop', true],
  ['none=', false],
  ['empty=', true],
  ['trawler.dev/batch=1', true],
  ['app', true],
  ['none', false],
  ['!none', true],
  ['! app', false],
  ['app in (shop,other)', true],
  ['app in ( other , shop )', true],
  ['app in (other)', false],
  ['app notin (other)', true],
  ['app notin (other,shop)', false],
  ['none in (shop)', false],
  ['none notin (shop)', true],
  ['empty in ()', true],
  ['app=shop,trawler.dev/batch', true],
  ['app in (shop,other),!none', true],
  ['app=shop,none', false],
  ['constructor', false],
])('%s: %s', (selector, isSelected) => {
  expect(labelTest(selector)?.(labels)).toBe(isSelected);
});

test.each([
  '',
  'app>1',
  'app<1',
  'app=a b',
  'app=-a',
  'app=a,',
  ',app',
  'app in shop',
  'app in (shop',
  'app in (shop),',
  'app=shop)',
  'Upper.dev/app=shop',
  'a/b/c=shop',
  '/app',
  'a..b/app',
  '=shop',
  `app=${'a'.repeat(64)}`,
  `${'a'.repeat(64)}=1`,
  'app=\tshop',
])('"%s" is for the API server to judge', (selector) => {
  expect(labelTest(selector)).toBeUndefined();
});
