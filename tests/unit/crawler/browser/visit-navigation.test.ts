// What the main frame's requests are, seen from the visit under way, and what becomes of a page whose script goes elsewhere.
import { describe, expect, it } from 'vitest';
import { answerOf } from '#src/crawler/browser/document-answer.ts';
import { checkShown, endOfMove, isMoving, navigationOf } from '#src/crawler/browser/visit-navigation.ts';
import { createVisit } from '#src/crawler/browser/visit-state.ts';
import type { GuardProxy } from '#src/crawler/network/guard-proxy.ts';

const page = 'http://a.example/page';
const other = 'http://a.example/other';
const url = (text: string) => new URL(text);
const visitWith = (state: object) => Object.assign(createVisit(url(page)), state);
const begun = { requestId: '1' };
const shown = { ...begun, isCommitted: true };

describe('a request of the main frame', () => {
  it.each<[string, object, string | undefined, string | undefined, string]>([
    ['for the document of the visit', {}, page, undefined, 'Ours'],
    ['for it with a fragment', {}, `${page}#x`, undefined, 'Ours'],
    ['for another document before it', {}, other, undefined, 'Stale'],
    ['for no URL that is crawled', {}, undefined, undefined, 'Stale'],
    ['to which our answer redirects', begun, other, '1', 'Redirect'],
    ['to which our answer redirects: the same document', begun, page, '1', 'Redirect'],
    ['to which another answer redirects', begun, other, '2', 'Stale'],
    ['for our document once more, before it is shown', begun, page, undefined, 'Stale'],
    ['for another document, before ours is shown', begun, other, undefined, 'Stale'],
    ['for another document', shown, other, undefined, 'Move'],
    ['for our document once more', shown, page, undefined, 'Move'],
    ['for a second document', { ...shown, target: url(other) }, page, undefined, 'Stale'],
    ['that the page before had asked for', { ...shown, movesBefore: new Set([other]) }, other, undefined, 'Stale'],
    ['that the page before had not asked for', { ...shown, movesBefore: new Set([page]) }, other, undefined, 'Move'],
    [
      'without its fragment, as the page before',
      { ...shown, movesBefore: new Set([other]) },
      `${other}#x`,
      undefined,
      'Stale',
    ],
  ])('%s', (_, state, to, redirected, navigation) => {
    expect(navigationOf(to === undefined ? undefined : url(to), redirected, visitWith(state))).toBe(navigation);
  });
});

describe('a page whose script', () => {
  const proxy = { failureOf: () => undefined } as unknown as GuardProxy;
  const html = { name: 'Content-Type', value: 'text/html' };
  const location = { name: 'Location', value: '/third' };
  const answer = (status: number, ...headers: { name: string; value: string }[]) =>
    answerOf(status, headers, url(other), proxy);
  const ANSWERS = {
    page: answer(200, html),
    file: answer(200, { name: 'Content-Type', value: 'application/pdf' }),
    attachment: answer(200, html, { name: 'Content-Disposition', value: 'attachment; filename=x' }),
    nothing: answer(204),
    redirect: answer(302, location),
    missing: answer(404, html),
    refusal: answer(403, html),
  };
  it.each<[keyof typeof ANSWERS, get: object, post: object]>([
    ['page', { type: 'Leaves', to: url(other) }, { type: 'IsShown' }],
    ['file', { type: 'Stays' }, { type: 'Stays' }],
    ['attachment', { type: 'Stays' }, { type: 'Stays' }],
    ['nothing', { type: 'Stays' }, { type: 'Stays' }],
    [
      'redirect',
      { type: 'Leaves', to: url(other) },
      { type: 'Leaves', to: url('http://a.example/third'), answer: ANSWERS.redirect },
    ],
    ['missing', { type: 'Leaves', to: url(other) }, { type: 'Leaves', to: url(other), answer: ANSWERS.missing }],
    ['refusal', { type: 'Leaves', to: url(other) }, { type: 'IsShown' }],
  ])('goes to, or is shown in place of itself, a %s', (what, get, post) => {
    const moving = { requestId: '2', url: url(other) };
    expect(endOfMove({ ...moving, isShown: false }, ANSWERS[what])).toEqual(get);
    expect(endOfMove({ ...moving, isShown: true }, ANSWERS[what])).toEqual(post);
  });
});

it.each([
  ['http://a.example/', false],
  ['about:blank', true],
  ['about:srcdoc', true],
])('a page that shows %s in the end has failed: %s', (address, hasFailed) => {
  if (hasFailed) expect(() => checkShown(address)).toThrow(/left it for about:/);
  else expect(() => checkShown(address)).not.toThrow();
});

it.each([
  [{ moving: undefined, askedToMoveAt: Number.NEGATIVE_INFINITY }, false],
  [{ moving: undefined, askedToMoveAt: 9_000 }, true],
  [{ moving: undefined, askedToMoveAt: 7_000 }, false],
  [{ moving: { requestId: '2', url: url(other), isShown: false }, askedToMoveAt: 7_000 }, true],
])('a page with %j is about to go elsewhere: %s', (state, expected) => {
  expect(isMoving(state, 10_000)).toBe(expected);
});
