// Documents in every encoding that servers still use, labelled in every way that they know.
import iconv from 'iconv-lite';
import { describe, expect, it } from 'vitest';
import { decodeHtml, decodeXml } from '#src/crawler/html/charset.ts';

const textOf = async (bytes: Uint8Array, contentType?: string) => (await decodeHtml(bytes, contentType)).text;
/** Privet, in windows-1251. */
const russian = Buffer.from([0xcf, 0xf0, 0xe8, 0xe2, 0xe5, 0xf2]);
const bytes = (...parts: readonly (string | Buffer)[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)));

describe('the encoding of an HTML document', () => {
  it.each([
    ['utf-8', 'text/html; charset=utf-8', 'Übermaß 日本'],
    ['windows-1252', 'text/html; charset=ISO-8859-1', 'Café “quoted” €'],
    ['windows-1252', 'text/html;charset="windows-1252"', 'Café'],
    ['windows-1252', "text/html; charset = 'latin1'", 'Café'],
    ['shift_jis', 'text/html; charset=Shift_JIS', '日本語'],
    ['gbk', 'text/html; charset=gb2312', '中文'],
    ['euc-kr', 'text/html; charset=euc-kr', '한국어'],
    ['windows-1251', 'text/html; charset=windows-1251', 'Привет'],
    ['windows-1251', 'text/html; charset=windows-1251, text/html', 'Привет'],
    ['iso-8859-2', 'text/html; charset=latin2', 'Žluťoučký'],
    ['utf-16le', 'text/html; charset=utf-16le', 'Wörter'],
  ])('is %s where the header says %s', async (encoding, header, text) => {
    expect(await textOf(iconv.encode(text, encoding), header)).toBe(text);
  });

  it.each([
    ['<meta charset="windows-1252">', 'windows-1252'],
    ['<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-1">', 'windows-1252'],
    ["<meta charset='koi8-r'>", 'koi8-r'],
    ['<meta charset="utf-16">', 'utf-8'],
    ['<meta charset="x-user-defined">', 'windows-1252'],
  ])('is what %s says', async (meta, encoding) => {
    const html = `<html><head>${meta}</head>${encoding === 'windows-1252' ? 'é' : 'Ж'}`;
    expect(await textOf(iconv.encode(html, encoding), 'text/html')).toBe(html);
  });

  it.each(['none', 'windows1251x', '%s', ''])(
    'is that of the meta tag where the header has the label "%s"',
    async (label) => {
      const html = bytes('<meta charset="windows-1251"><title>', russian);
      expect(await textOf(html, `text/html; charset=${label}`)).toContain('Привет');
    },
  );

  it.each([
    ['a comment', '<!-- <meta charset="utf-8"> --><meta charset="windows-1251">'],
    ['a comment that closes at once', '<!--><meta charset="windows-1251">'],
    ['a pragma of another kind', '<meta http-equiv="refresh" content="1;charset=utf-8"><meta charset="windows-1251">'],
    ['content before its pragma', '<meta content="a; charset=windows-1251" http-equiv=Content-Type>'],
    ['an attribute of another tag', '<link title="<meta charset=utf-8>"><meta charset="windows-1251">'],
    ['an unknown label', '<meta charset="nothing"><meta charset="windows-1251">'],
    ['capitals and blanks', '<META\n CHARSET = windows-1251 >'],
    ['a slash', '<meta/charset=windows-1251>'],
  ])('is found beside %s', async (_, head) => {
    expect(await textOf(bytes(head, '<title>', russian))).toContain('Привет');
  });

  it.each([
    ['a long style', `<style>/* <b> ${'x'.repeat(1_500)} */</style><meta charset="windows-1251">`, 'Привет'],
    ['a long script', `<script>"<p>${'x'.repeat(1_500)}"</script><meta charset="windows-1251">`, 'Привет'],
    ['many links', `${'<link rel=x href="/a/long/address">'.repeat(60)}<meta charset="windows-1251">`, 'Привет'],
    ['a long comment', `<!-- ${'x'.repeat(1_500)} --><meta charset="windows-1251">`, 'Привет'],
    ['a body of more than 1,024 bytes', `<body>${'x'.repeat(1_500)}<meta charset="koi8-r">`, 'Привет'],
  ])('is looked for in the whole head, and no further: %s', async (_, start, text) => {
    expect(await textOf(bytes(`<html><head>${start}<title>`, russian))).toContain(text);
  });

  it('is that of the byte-order mark before the header, that of the header before the meta tag', async () => {
    const marked = bytes(Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from('é'));
    expect(await decodeHtml(marked, 'text/html; charset=latin1')).toEqual({ text: 'é', encoding: 'UTF-8' });
    const meta = iconv.encode('<meta charset="utf-8">é', 'latin1');
    expect(await textOf(meta, 'text/html; charset=latin1')).toBe('<meta charset="utf-8">é');
  });

  it.each([
    ['windows-1251', 'Цена товара: 1 200 рублей. Купить сейчас'],
    ['koi8-r', 'Цена товара: 1 200 рублей. Купить сейчас'],
    ['iso-8859-5', 'Цена товара: 1 200 рублей. Купить сейчас'],
    ['koi8-u', 'Ціна товару на сайті з доставкою'],
    ['shift_jis', '商品の価格は千二百円です。今すぐ購入'],
    ['euc-jp', '商品の価格は千二百円です。今すぐ購入'],
    ['gbk', '商品价格一百二十元，立即购买'],
    ['big5', '商品價格一百二十元，立即購買'],
    ['euc-kr', '상품 가격은 만이천원입니다 지금 구매'],
    ['windows-1253', 'Τιμή προϊόντος εκατό ευρώ, αγορά τώρα'],
    ['windows-1255', 'מחיר המוצר מאה שקלים קנה עכשיו'],
    ['windows-1256', 'سعر المنتج مئة درهم اشتر الآن'],
    ['windows-1252', 'Preis für Äpfel und Größe: 12 €, schön'],
    ['windows-1252', 'Prix réduit à la journée, été français'],
    ['windows-1252', 'Año nuevo, mañana española, ¿cuánto?'],
    ['windows-1252', 'Only 12 € – “quoted” © 2024, 20°C'],
  ])('is %s where nothing names it, and its letters look like it: %s', async (encoding, text) => {
    const html = `<html><head><title>${text}</title></head><body><h1>${text}</h1><a href="/next">next</a></body></html>`;
    expect(await textOf(iconv.encode(html, encoding), 'text/html')).toBe(html);
  });

  it('is UTF-8 of unlabelled bytes where they are, else windows-1252', async () => {
    expect(await decodeHtml(Buffer.from('é'))).toEqual({ text: 'é', encoding: 'UTF-8' });
    expect(await decodeHtml(Buffer.from([0x93, 0xe9, 0x94]), 'text/html')).toEqual({
      text: '“é”',
      encoding: 'windows-1252',
    });
    expect(await textOf(Buffer.from('plain'), 'text/html; charset=no-such-thing')).toBe('plain');
  });

  it.each([4_096, 32_768])('is found wherever a tag of the head stands about byte %i', async (part) => {
    for (let length = part - 100; length < part + 20; length++) {
      const start = `<html><head><!--${'x'.repeat(length - 19)}--><script src="/a/script"></script>`;
      expect(await textOf(bytes(`${start}<meta charset="windows-1251"><title>`, russian))).toContain('Привет');
    }
  });

  it('takes time in proportion to the length of a head that never ends', async () => {
    const html = Buffer.from('<!--'.repeat(1_000_000));
    expect(await textOf(html)).toHaveLength(html.length);
  });
});

describe('decoders of the Encoding standard', () => {
  it.each([
    ['euc-kr', [0x8c, 0x63, 0xb9, 0xe6], '똠방'],
    ['ks_c_5601-1987', [0xb9, 0xe6, 0xb0, 0xa2], '방각'],
    ['big5', [0x95, 0xfe, 0x92, 0xf7], '𩂰𡧳'],
    ['big5-hkscs', [0x88, 0x62], 'Ê̄'],
    ['gb18030', [0x81, 0x35, 0xf4, 0x37], '\ue7c7'],
    ['shift_jis', [0x87, 0x40, 0xfa, 0x40], '①ⅰ'],
    ['euc-jp', [0x8f, 0xa2, 0xb7], '～'],
    ['iso-2022-jp', [0x1b, 0x24, 0x42, 0x46, 0x7c, 0x1b, 0x28, 0x42], '日'],
    ['windows-1252', [0x80, 0x81, 0x9f], '€\u0081Ÿ'],
    ['iso-8859-16', [0xa4], '€'],
    ['windows-874', [0xa1, 0xdb], 'ก\ufffd'],
    ['koi8-u', [0xae], 'ў'],
    ['macintosh', [0x8e], 'é'],
    ['utf-8', [0xe2, 0x82, 0x41], '\ufffdA'],
    ['iso-2022-kr', [0x41, 0x42], '\ufffd'],
  ])('read %s', async (label, given, text) => {
    expect(await textOf(Buffer.from(given), `text/html; charset=${label}`)).toBe(text);
  });
});

describe('the encoding of an XML document', () => {
  const declared = (label: string) => bytes(`<?xml version="1.0" encoding="${label}"?><t>`, russian, '</t>');

  it.each([
    ['its declaration', declared('windows-1251'), undefined],
    ['the header before the declaration', declared('utf-8'), 'application/xml; charset=windows-1251'],
    ['the declaration, where the header has no known label', declared('windows-1251'), 'text/xml; charset=none'],
  ])('is that of %s', (_, document, header) => {
    expect(decodeXml(document, header).text).toContain('<t>Привет</t>');
  });

  it.each([
    ['a byte-order mark', bytes(Buffer.from([0xff, 0xfe]), Buffer.from('<t>é</t>', 'utf16le'))],
    ['no mark, but in UTF-16', Buffer.from('<?xml version="1.0"?><t>é</t>', 'utf16le')],
    ['nothing', Buffer.from('<t>é</t>')],
  ])('is seen by %s', (_, document) => {
    expect(decodeXml(document).text).toContain('<t>é</t>');
  });

  it('is that of the declaration in a document that is sent as HTML', async () => {
    expect(await textOf(declared('windows-1251'), 'text/html')).toContain('Привет');
  });
});
