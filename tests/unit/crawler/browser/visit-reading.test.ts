// What a visit comes to when it did not end with a page that was read.
import { describe, expect, it } from 'vitest';
import { answerOf } from '#src/crawler/browser/document-answer.ts';
import { endOfAbortedVisit, shortened, unfinished, whereto } from '#src/crawler/browser/visit-reading.ts';
import type { GuardProxy } from '#src/crawler/network/guard-proxy.ts';

const url = new URL('http://a.example/page');
const target = new URL('http://a.example/other');
const proxy = { failureOf: () => undefined } as unknown as GuardProxy;
const html = { name: 'Content-Type', value: 'text/html' };
const answer = (status: number, ...headers: { name: string; value: string }[]) => answerOf(status, headers, url, proxy);
const page = answer(200, html);
const redirect = answer(302, { name: 'Location', value: '/third' }, { name: 'Retry-After', value: '2' });
const failed = answer(500, html);
const third = new URL('http://a.example/third');

it.each([
  ['to where a script went', { target, answer: page }, { type: 'redirect', to: target }],
  [
    'to where the answer of its form redirects',
    { target: undefined, answer: redirect },
    { type: 'redirect', to: third },
  ],
  ['to where a script of that went first', { target, answer: redirect }, { type: 'redirect', to: target }],
  ['to a failure: that of a form', { target, answer: failed }, { type: 'failed', failure: { cause: 'HttpError' } }],
  ['to itself', { target: undefined, answer: page }, { type: 'redirect', to: url }],
  ['to a target without an answer', { target, answer: undefined }, { type: 'redirect', to: target, facts: {} }],
])('a page that was left leads %s', (_, visit, end) => {
  expect(whereto({ url, ...visit })).toMatchObject(end);
});

describe('a visit that ended with an error', () => {
  const aborted = new Error('net::ERR_ABORTED');
  const other = new Error('net::ERR_CONNECTION_RESET');
  it.each([
    ['a script had gone elsewhere', aborted, { target, answer: page }, { type: 'redirect', to: target }],
    ['the answer redirects', other, { target: undefined, answer: redirect }, { type: 'redirect', to: third }],
    ['the answer is a failure', aborted, { target: undefined, answer: failed }, { type: 'failed' }],
    ['the answer is a file', aborted, { target: undefined, answer: answer(200) }, { type: 'notHtml' }],
    ['the answer has no content', aborted, { target: undefined, answer: answer(204, html) }, { type: 'notHtml' }],
  ])('ends so when %s', (_, error, visit, end) => {
    expect(endOfAbortedVisit(error, { url, ...visit })).toMatchObject(end);
  });

  it.each([
    ['there was no answer', aborted, undefined, 'interrupted'],
    ['another navigation took it away', aborted, page, 'interrupted'],
    ['the network failed', other, page, undefined],
    ['the page crashed', new Error('the page crashed'), undefined, undefined],
  ])('is not over when %s', (_, error, seen, end) => {
    expect(endOfAbortedVisit(error, { url, target: undefined, answer: seen })).toBe(end);
  });
});

it('a page that was read at its deadline names the first three things that did not answer', () => {
  expect(unfinished([])).toBe('read at its deadline, before it was loaded');
  expect(unfinished(['a', 'b', 'c', 'd'])).toBe('read at its deadline, before it was loaded: no answer from a, b, c');
  expect(shortened(['x'.repeat(200)])).toHaveLength(100);
});
