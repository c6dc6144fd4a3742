// Content-Type headers as servers write them, and the first bytes of what has none: ideas of the public tests of Fetch and
// of MIME Sniffing.
import { describe, expect, it } from 'vitest';
import { contentTypeOf, kindByHeader, kindOfDocument } from '#src/crawler/html/content-type.ts';

describe('a Content-Type header', () => {
  it.each([
    ['text/html', 'text/html', undefined],
    ['TEXT/HTML; Charset="UTF-8"', 'text/html', 'UTF-8'],
    ['text/html;;charset=utf-8', 'text/html', 'utf-8'],
    ['text/html, text/html; charset=utf-8', 'text/html', 'utf-8'],
    ['text/html; charset=gbk, text/html', 'text/html', 'gbk'],
    ['text/html; charset=gbk, text/plain', 'text/plain', undefined],
    ['text/html; charset=gbk, text/html; charset=utf-8', 'text/html', 'utf-8'],
    ['text/html,charset=utf-8', 'text/html', undefined],
    ['text/html; a="b,c/d", */*', 'text/html', undefined],
    ['text/html; charset=utf-8\ntext/html', 'text/html', 'utf-8'],
    ['text/html charset=utf-8', 'text/html', undefined],
    ['text/html (comment)', 'text/html', undefined],
    ['text/html; charset = utf-8', 'text/html', 'utf-8'],
    ["text/html;charset='utf-8'", 'text/html', 'utf-8'],
  ])('%j is %s, in %s', (header, essence, charset) => {
    expect(contentTypeOf(header)).toEqual({ essence, ...(charset === undefined ? {} : { charset }) });
  });

  it.each([undefined, '', ' ', 'html', '/', ';', 'text/', '*/*', ', ,'])('%j names no type', (header) => {
    expect(contentTypeOf(header)).toBeUndefined();
  });
});

describe('a document', () => {
  it.each([
    ['text/html;charset=x', 'Html'],
    ['application/xhtml+xml', 'Xml'],
    ['application/xml', 'Xml'],
    ['text/xml; charset=utf-8', 'Xml'],
    ['image/svg+xml', 'Xml'],
    ['text/plain', 'Other'],
    ['application/pdf', 'Other'],
    ['unknown/unknown', 'Unknown'],
    ['application/unknown', 'Unknown'],
    [undefined, 'Unknown'],
  ] as const)('with the header %j is %s', (header, kind) => {
    expect(kindByHeader(header)).toBe(kind);
  });

  it.each([
    ['<!DOCTYPE html><p>x', 'Html'],
    [' \n\t<html>', 'Html'],
    ['<HEAD>', 'Html'],
    ['<!-- x -->', 'Html'],
    ['<title>x', 'Html'],
    ['<a href=x>', 'Html'],
    ['<abbr>', 'Other'],
    ['<?xml version="1.0"?>', 'Xml'],
    ['just text', 'Other'],
    ['%PDF-1.4', 'Other'],
    ['MZ\0\0', 'Other'],
    ['', 'Other'],
  ] as const)('without a type that begins with %j is %s', (body, kind) => {
    expect(kindOfDocument(undefined, Buffer.from(body), false)).toBe(kind);
    expect(kindOfDocument('html', Buffer.from(body), false)).toBe(kind);
  });

  it('is not looked at where the server forbids it, nor where it names a type', () => {
    expect(kindOfDocument(undefined, Buffer.from('<html>'), true)).toBe('Other');
    expect(kindOfDocument('text/plain', Buffer.from('<html>'), false)).toBe('Other');
    expect(kindOfDocument('text/html', Buffer.from('%PDF'), false)).toBe('Html');
  });
});
