// Queries of links on pages that are not in UTF-8, as the URL standard wants them.
import { expect, it } from 'vitest';
import { encodeQuery } from '#src/crawler/urls/query-encoding.ts';
import { normaliseUrl } from '#src/crawler/urls/url.ts';

it.each([
  ['windows-1251', '/find?q=слон', '/find?q=%F1%EB%EE%ED'],
  ['windows-1251', '/слон', '/%D1%81%D0%BB%D0%BE%D0%BD'],
  ['windows-1251', '/слон?q=слон#слон', '/%D1%81%D0%BB%D0%BE%D0%BD?q=%F1%EB%EE%ED'],
  ['windows-1251', '/find#?q=слон', '/find'],
  ['windows-1251', '/find?q=%D1%81&r=я', '/find?q=%D1%81&r=%FF'],
  ['windows-1251', '/find?q=日', '/find?q=%26%2326085%3B'],
  ['windows-1251', ' /find?q=я \n', '/find?q=%FF'],
  ['windows-1251', '/find?q=я\n\tя "<>\'', '/find?q=%FF%FF%20%22%3C%3E%27'],
  ['windows-1251', '?я', '/dir/?%FF'],
  ['windows-1251', '//other.example?я', '//other.example/?%FF'],
  ['GBK', '/find?q=中', '/find?q=%D6%D0'],
  ['gb18030', '/find?q=中𠀀', '/find?q=%D6%D0%952%826'],
  ['Shift_JIS', '/find?q=日本', '/find?q=%93%FA%96{'],
  ['EUC-JP', '/find?q=日', '/find?q=%C6%FC'],
  ['EUC-KR', '/find?q=똠방', '/find?q=%8Cc%B9%E6'],
  ['Big5', '/find?q=中', '/find?q=%A4%A4'],
  ['windows-1252', '/find?q=é€', '/find?q=%E9%80'],
  ['UTF-8', '/find?q=é', '/find?q=%C3%A9'],
  ['UTF-16LE', '/find?q=é', '/find?q=%C3%A9'],
  ['replacement', '/find?q=é', '/find?q=%C3%A9'],
])('in %s, %j leads to %s', (encoding, reference, target) => {
  const base = 'https://site.example/dir/';
  const url = normaliseUrl(encodeQuery(reference, encoding), base);
  expect(url?.href).toBe(new URL(target, base).href);
});
