// Dates as people write them, in ISO 8601.
import { expect, it } from 'vitest';
import { readDate } from '#src/crawler/extraction/dates.ts';

const locale = (tag: string | undefined) => (tag === undefined ? undefined : { tag, isCertain: false });

it.each([
  ['2024-03-12', undefined, '2024-03-12'],
  ['2024-03-12T10:15:30Z', undefined, '2024-03-12T10:15:30Z'],
  ['2024-03-12 10:15', undefined, '2024-03-12T10:15:00'],
  ['2024-03-12T10:15:30.123+0100', undefined, '2024-03-12T10:15:30.123+01:00'],
  ['20240312', undefined, '2024-03-12'],
  ['20240312T101530Z', undefined, '2024-03-12T10:15:30Z'],
  ['2024/03/12', undefined, '2024-03-12'],
  ['2024. 3. 12.', 'ko', '2024-03-12'],
  ['2024年3月12日', 'ja', '2024-03-12'],
  ['2024년 3월 12일', 'ko', '2024-03-12'],
  ['Tue, 12 Mar 2024 10:15:00 GMT', undefined, '2024-03-12T10:15:00Z'],
  ['Tue, 12 Mar 2024 10:15:00 +0100', undefined, '2024-03-12T10:15:00+01:00'],
  ['12 Mar 2024, 10:15 EST', undefined, '2024-03-12T10:15:00-05:00'],
  ['12. März 2024', 'de', '2024-03-12'],
  ['12. Marz 2024', 'de', '2024-03-12'],
  ['12.3.2024 um 10:15 Uhr', 'de', '2024-03-12T10:15:00'],
  ['March 12th, 2024', 'de', '2024-03-12'],
  ['Published: March 12, 2024 at 10:15 PM by 3 people', undefined, '2024-03-12T22:15:00'],
  ['12 de marzo de 2024', 'es', '2024-03-12'],
  ['1er janvier 2024', 'fr', '2024-01-01'],
  ['12 mars 2024 à 10h15', 'fr', '2024-03-12T10:15:00'],
  ['12 марта 2024 г., 10:15', 'ru', '2024-03-12T10:15:00'],
  ['2024. március 12.', 'hu', '2024-03-12'],
  ['Ngày 12 tháng 3 năm 2024', 'vi', '2024-03-12'],
  ['12 มีนาคม 2567', 'th', '2024-03-12'],
  ['١٢ مارس ٢٠٢٤', 'ar', '2024-03-12'],
  ['12 במרץ 2024', 'he', '2024-03-12'],
  ['Sept. 5, 2024', undefined, '2024-09-05'],
  // From bug reports of other parsers.
  ['Mon Apr 20 20:05:30 +0000 2009', undefined, '2009-04-20T20:05:30+00:00'],
  ['Sun Nov  6 08:49:37 1994', undefined, '1994-11-06T08:49:37'],
  ['Mon Apr 20 20:05:30 PDT 2009', undefined, '2009-04-20T20:05:30-07:00'],
  ['Apr 20 20:05:30 12345 views', undefined, null],
  ['20240312101530', undefined, '2024-03-12T10:15:30'],
  ['20240312101530+0100', undefined, '2024-03-12T10:15:30+01:00'],
  ['20241312101530', undefined, null],
  ['20240312991530', undefined, null],
  ["12 Mar '24", undefined, '2024-03-12'],
  ['12 Mar ’98', undefined, '1998-03-12'],
  ["March 12, '24", undefined, '2024-03-12'],
  ["March '24", undefined, '2024-03'],
  ['12-MAR-24', undefined, '2024-03-12'],
  ["Rock 'n' Roll of '68", undefined, null],
  ['Mar. 12, 2024 5 p.m.', undefined, '2024-03-12T17:00:00'],
  ['Mar. 12, 2024 at 5:30 p.m. EST', undefined, '2024-03-12T17:30:00-05:00'],
  ['12 March 2024, 9.30am', undefined, '2024-03-12T09:30:00'],
  ['12 March 2024 12 a.m.', undefined, '2024-03-12T00:00:00'],
  ['12 March 2024 - 5 amendments', undefined, '2024-03-12'],
  ['12 March 2024 9.30 EUR', undefined, '2024-03-12'],
  ['12. März 2024, 9.30 Uhr', 'de', '2024-03-12T09:30:00'],
  ['12. März 2024, um 21.05 Uhr', 'de', '2024-03-12T21:05:00'],
  ['6 de març de 2024', 'ca', '2024-03-06'],
  ['Atualizado por Victória em 06/02/2024 16:22', 'pt', '2024-02-06T16:22:00'],
  ['Date de facture 23 juillet 2020 Condition Redevable livraison FR', 'fr', '2020-07-23'],
  ['Wednesday January 18, 2017 11:44 am PST', undefined, '2017-01-18T11:44:00-08:00'],
  ['02-03-2016', undefined, null],
  ['le 02-03-2016', 'fr', '2016-03-02'],
  ['on:', undefined, null],
  ['2023-W10-1', undefined, null],
  ['© 2019-2024 Example', undefined, null],
  ['10 March 2024 - 12 March 2024', undefined, '2024-03-10'],
  ['March 2024', undefined, '2024-03'],
  ['2024', undefined, '2024'],
  ['1710237600', undefined, '2024-03-12T10:00:00Z'],
  ['1710237600000', undefined, '2024-03-12T10:00:00Z'],
  // Which of the two is the month?
  ['03/04/2024', 'en-US', '2024-03-04'],
  ['03/04/2024', 'en-GB', '2024-04-03'],
  ['03/04/2024', 'fr', '2024-04-03'],
  ['03/04/2024', undefined, null],
  ['3.4.2024', undefined, '2024-04-03'],
  ['13/04/2024', undefined, '2024-04-13'],
  ['04/13/2024', undefined, '2024-04-13'],
  ['12/03/24', 'fr', '2024-03-12'],
  ['12/03/24', undefined, null],
  // No dates
  ['31/02/2024', undefined, null],
  ['2024-13-01', undefined, null],
  ['yesterday', undefined, null],
  ['25 December', undefined, null],
  ['12 марта 2024', undefined, null],
  ['1.2.3.4', undefined, null],
  ['5 items', undefined, null],
  ['', undefined, null],
])('%j in %s is %s', (text, tag, date) => {
  expect(readDate(text, () => locale(tag))).toBe(date);
});

const LANGUAGES =
  'af am ar as az be bg bn bs ca cs cy da de el en en-GB es es-MX et eu fa fi fil fr fr-CA ga gl gu he hi hr hu hy id is it ja ka kk km kn ko ky lo lt lv mk ml mr ms my nb ne nl or pa pl ps pt pt-PT ro ru sd si sk sl so sq sr sv sw ta te th tk tr uk ur uz vi zh zh-TW zu'.split(
    ' ',
  );
/** Basque puts endings into brackets, Pashto a word before the day, Thai writes "AD": they are not read, and not wrongly. */
const UNREAD = ['eu', 'ps', 'th'];

it.each(LANGUAGES)('what Intl writes in %s is read, and never as another day', (tag) => {
  const seen = { read: 0, unread: 0 };
  for (const dateStyle of ['medium', 'long', 'full'] as const) {
    const format = new Intl.DateTimeFormat(tag, { dateStyle, timeZone: 'UTC', calendar: 'gregory' });
    for (let month = 0; month < 12; month++) {
      const date = new Date(Date.UTC(2024, month, 3 + 2 * month));
      const text = format.format(date);
      const found = readDate(text, () => ({ tag, isCertain: true }));
      if (found === null) seen.unread++;
      else {
        seen.read++;
        expect(found, text).toBe(date.toISOString().slice(0, 10));
      }
    }
  }
  if (!UNREAD.includes(tag)) expect(seen).toEqual({ read: 36, unread: 0 });
});
