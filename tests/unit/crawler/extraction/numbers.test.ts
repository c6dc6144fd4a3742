// Numbers as people write them.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { firstNumber } from '#src/crawler/extraction/numbers.ts';

describe('firstNumber', () => {
  it.each([
    ['12', 12],
    ['£51.77', 51.77],
    ['In stock (22 available)', 22],
    ['USD12', 12],
    ['A-5', 5],
    ['4.5/5', 4.5],
    ['3 4', 3],
    ['2 100000', 2],
    ['none', null],
    ['', null],
    // Fractions of one character
    ['½', 0.5],
    ['3½', 3.5],
    ['1 ¼ cup', 1.25],
    ['-2⅛', -2.125],
    ['1,000⅔', 1000.6666666667],
    ['٣½', 3.5],
    // Separators
    ['1,234.50', 1234.5],
    ['1.234,50 €', 1234.5],
    ['1 234,50', 1234.5],
    ['1\u00a0234\u202f567', 1234567],
    ["CHF 1'234.50", 1234.5],
    ['CHF 1’234.–', 1234],
    ['₹1,23,456.00', 123456],
    ['10,00,000', 1000000],
    ['1,5', 1.5],
    ['1.234.567', 1234567],
    ['1.234.567,89', 1234567.89],
    ['1234.567', 1234.567],
    ['1,234', 1234],
    ['1.234', 1234],
    ['129.900', 129900],
    ['0,123', 0.123],
    ['1.899,-', 1899],
    ['€ 1.049,--', 1049],
    ['25.-', 25],
    ['$119. 95', 119.95],
    ['118, 99 TL', 118.99],
    ['559. 99', 559.99],
    ['in 3, 45 items', 3],
    ['35€99', 35.99],
    ['35€ 99', 35.99],
    ['99 € 24 Monate', 99],
    ['99 € 79 €', 99],
    // No digit before the mark
    ['$.75', 0.75],
    [',89 €', 0.89],
    ['.75 €', 0.75],
    ['Rs.1,299.00', 1299],
    ['Rs.500', 500],
    ['Fr.25.50', 25.5],
    ['S/.120.00', 120],
    ['kr.1.299', 1299],
    // Signs
    ['-7', -7],
    ['- 7', -7],
    ['−3,5 °C', -3.5],
    ['-$5.00', -5],
    ['$-5', -5],
    ['−€5,00', -5],
    ['CHF -5.00', -5],
    ['(-5)', -5],
    ['Preis - 12,50 €', 12.5],
    ['- $44.99', 44.99],
    ['10-20 €', 10],
    ['10 – 20', 10],
    // Other digits
    ['１，２８０円', 1280],
    ['٤٩٫٩٩', 49.99],
    ['١٬٢٣٤٫٥', 1234.5],
    ['१,२३,४५६.५०', 123456.5],
    ['¥1,280（税込）', 1280],
    ['\u200f-\u200e5', -5],
    // No numbers
    ['15.08.2017', null],
    ['1.2.3', null],
    ['192.168.0.1 and 4', 4],
  ])('%j is %s', (text, expected) => {
    expect(firstNumber(text)).toBe(expected);
  });

  it.each([
    ['1.234', 'en', 1.234],
    ['1,234', 'en', 1234],
    ['1.234', 'de', 1234],
    ['1,234', 'de', 1.234],
    ['1.234', 'de-CH', 1.234],
    ['1.234', 'fr', 1234],
    ['1,234', 'es-MX', 1234],
    ['1.234,5', 'en', 1234.5],
    ['1,234.5', 'de', 1234.5],
  ])('%j in %s is %s', (text, tag, expected) => {
    expect(firstNumber(text, () => ({ tag, isCertain: true }))).toBe(expected);
  });

  const LOCALES =
    'en de fr es-MX pt-BR it nl pl ru uk sv nb da fi cs hu tr id vi th hi en-IN bn ar fa he ja zh ko de-CH de-AT'.split(
      ' ',
    );

  it('reads what Intl writes, in every language', () => {
    const amounts = fc.integer({ min: -99_999_999, max: 99_999_999 }).map((cents) => cents / 100);
    fc.assert(
      fc.property(fc.constantFrom(...LOCALES), amounts, fc.constantFrom(0, 1, 2), (tag, amount, digits) => {
        const text = new Intl.NumberFormat(tag, {
          minimumFractionDigits: digits,
          maximumFractionDigits: digits,
        }).format(amount);
        expect(firstNumber(text, () => ({ tag, isCertain: true }))).toBeCloseTo(Number(amount.toFixed(digits)), 0);
      }),
      { numRuns: 2_000 },
    );
  });

  it('never throws and never makes what is no number', () => {
    const pieces = fc.constantFrom(
      '1',
      '23',
      '456',
      '.',
      ',',
      ' ',
      "'",
      '-',
      '€',
      '$',
      '%',
      'x',
      '٣',
      '٫',
      '−',
      '–',
      '：',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
        const value = firstNumber(parts.join(''));
        expect(value === null || Number.isFinite(value)).toBe(true);
      }),
    );
  });
});
