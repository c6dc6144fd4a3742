// Documents in every encoding that servers still use.
import iconv from 'iconv-lite';
import { describe, expect, it } from 'vitest';
import { decodeHtml } from '#src/crawler/html/charset.ts';

describe('decodeHtml', () => {
  it.each([
    ['utf-8', 'text/html; charset=utf-8', 'Übermaß 日本'],
    ['windows-1252', 'text/html; charset=ISO-8859-1', 'Café “quoted” €'],
    ['windows-1252', 'text/html;charset="windows-1252"', 'Café'],
    ['shift_jis', 'text/html; charset=Shift_JIS', '日本語'],
    ['gbk', 'text/html; charset=gb2312', '中文'],
    ['euc-kr', 'text/html; charset=euc-kr', '한국어'],
    ['windows-1251', 'text/html; charset=windows-1251', 'Привет'],
    ['iso-8859-2', 'text/html; charset=latin2', 'Žluťoučký'],
    ['utf-16le', 'text/html; charset=utf-16le', 'Wörter'],
  ])('reads %s named by the header %s', (encoding, header, text) => {
    expect(decodeHtml(iconv.encode(text, encoding), header)).toBe(text);
  });

  it.each([
    ['<meta charset="windows-1252">', 'windows-1252'],
    ['<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-1">', 'windows-1252'],
    ["<meta charset='koi8-r'>", 'koi8-r'],
    ['<meta charset="utf-16">', 'utf-8'],
  ])('reads what %s says', (meta, encoding) => {
    const html = `<html><head>${meta}</head>Ж`.replace('Ж', encoding === 'windows-1252' ? 'é' : 'Ж');
    expect(decodeHtml(iconv.encode(html, encoding), 'text/html')).toBe(html);
  });

  it('believes the byte-order mark before the header, the header before the meta tag', () => {
    const marked = Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from('é')]);
    expect(decodeHtml(marked, 'text/html; charset=latin1')).toBe('é');
    const meta = iconv.encode('<meta charset="utf-8">é', 'latin1');
    expect(decodeHtml(meta, 'text/html; charset=latin1')).toBe('<meta charset="utf-8">é');
  });

  it('takes unlabelled bytes for UTF-8 where they are, else for windows-1252', () => {
    expect(decodeHtml(Buffer.from('é'), undefined)).toBe('é');
    expect(decodeHtml(Buffer.from([0x93, 0xe9, 0x94]), 'text/html')).toBe('“é”');
    expect(decodeHtml(Buffer.from('plain'), 'text/html; charset=no-such-thing')).toBe('plain');
  });
});
