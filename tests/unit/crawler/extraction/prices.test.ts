// Prices as shops write them.
import { describe, expect, it } from 'vitest';
import { readPrice } from '#src/crawler/extraction/prices.ts';

const inPage = (tag: string) => ({ tag, isCertain: false });

describe('the amount', () => {
  it.each([
    ['Rp 31.500', 31500],
    ['1.299 €', 1299],
    ['12.500 ₫', 12500],
    ['1.727 Ft', 1727],
    ['R$ 2.499', 2499],
    ['129.900', 129900],
    ['1.899,-', 1899],
    ['.75 €', 0.75],
    ['$.75', 0.75],
    ['$..75', 0.75],
    ['118, 99 TL', 118.99],
    ['559. 99', 559.99],
    ['559. 99 undefined 559.99 incl. VAT', 559.99],
    ['35€ 99', 35.99],
    ['Preis - 12,50 €', 12.5],
    ['- $44.99', 44.99],
    ['-$5.00', -5],
    ['2 for $5', 5],
    ['From 26 to 50 €', 26],
    ['10-20 €', 10],
    ['Was $120.00 Now $60.00', 120],
    ['40% OFF', undefined],
    ['40% OFF: now 12 €', 12],
    ['%40 indirim 35 TL', 35],
    ['on request', undefined],
    // From bug reports of other parsers.
    ['Today I buy 3 coats with 300.000 VND', 300000],
    ['2 pairs from $349', 349],
    ['4 options from $439.34', 439.34],
    ['3 Ausgaben für nur 14,85 EUR', 14.85],
    ['Buy Now - 2 Litre Was $120.00 Now $60.00', 120],
    ['1,234,567.890', 1234567.89],
    ['3.3500', 3.35],
    ['$129.99 ea.', 129.99],
    ['Adv $17, DoS $19, Door $21, Mezz $27', 17],
    ['2’805.53 Fr.', 2805.53],
    ['12,99 €/kg (1 kg = 12,99 €)', 12.99],
    ['100g = 1,99 €', 1.99],
    ['', undefined],
  ])('of %j is %s', (text, amount) => {
    expect(readPrice(text)?.amount).toBe(amount);
  });

  it.each(['Free!', 'FREE', 'Kostenlos', 'gratis', 'Gratuit', 'Price: free', '無料', 'бесплатно', 'ücretsiz', 'مجاني'])(
    'of %j is nothing',
    (text) => {
      expect(readPrice(text)).toEqual({ amount: 0, currency: null });
    },
  );

  it.each(['Sugar free', 'Free shipping', 'free returns within 30% of days'])('of %j is none', (text) => {
    expect(readPrice(text)).toBeNull();
  });

  it.each([
    // Shops translate their texts and leave their prices.
    ['1.299 €', 'en', 1299],
    ['Rp 31.500', 'en', 31500],
    ['1,789 €', 'de', 1.789],
    ['1,789 €', 'en', 1789],
    ['1.280 円', 'en', 1280],
    ['12.500 KWD', 'en', 12.5],
    ['12,500 KWD', 'en', 12500],
    ['KD 1,250.500', 'ar', 1250.5],
  ])('of %j on a page in %s is %s', (text, tag, amount) => {
    expect(readPrice(text, () => inPage(tag))?.amount).toBe(amount);
  });

  it.each([
    ['$3.459', 'en-US', 3.459],
    ['1.299 €', 'de', 1299],
    ['1.280 円', 'en', 1280],
  ])('of %j with the locale %s is %s', (text, tag, amount) => {
    expect(readPrice(text, () => ({ tag, isCertain: true }))?.amount).toBe(amount);
  });
});

describe('the currency', () => {
  it.each([
    ['5 €', undefined, 'EUR'],
    ['EUR 5', undefined, 'EUR'],
    ['20 euros', undefined, 'EUR'],
    ['$5', undefined, 'USD'],
    ['$5', 'en-CA', 'CAD'],
    ['$5', 'es-AR', 'ARS'],
    ['$5', 'es', '$'],
    ['US$ 5', 'en-CA', 'USD'],
    ['HK$5', undefined, 'HKD'],
    ['R$ 5', 'pt-BR', 'BRL'],
    ['¥100', undefined, 'JPY'],
    ['¥100', 'zh', 'CNY'],
    ['100円', 'ja', 'JPY'],
    ['￥1,280', 'ja', 'JPY'],
    ['kr 499', 'sv', 'SEK'],
    ['499 kr.', 'da', 'DKK'],
    ['499,- kr', 'nb', 'NOK'],
    ['499 kr', undefined, 'kr'],
    ['9,99 zł', 'pl', 'PLN'],
    ['1 234,50 Kč', 'cs', 'CZK'],
    ['1 299 руб.', 'ru', 'RUB'],
    ['35 TL', 'tr', 'TRY'],
    ['S/.120.00', 'es-PE', 'PEN'],
    ['35.00 د.إ', 'ar', 'AED'],
    ['Rs.1,299.00', undefined, 'INR'],
    ['1 000 ₸', undefined, 'KZT'],
    ['1.299,00', undefined, null],
    ['Europe 5', undefined, null],
  ])('of %j on a page in %s is %s', (text, tag, currency) => {
    expect(readPrice(text, () => (tag === undefined ? undefined : inPage(tag)))?.currency).toBe(currency);
  });

  it('is that of the amount, and else what is named beside it', () => {
    expect(readPrice('5 USD, about 4 €')?.currency).toBe('USD');
    expect(readPrice('5', undefined, 'EUR')).toEqual({ amount: 5, currency: 'EUR' });
    expect(readPrice('5 USD', undefined, 'EUR')?.currency).toBe('USD');
  });

  it('has the sign that Intl gives it, in English', () => {
    const wrong = Intl.supportedValuesOf('currency').flatMap((currency) => {
      const text = new Intl.NumberFormat('en', { style: 'currency', currency }).format(5);
      const found = readPrice(text, () => inPage('en'))?.currency;
      return found === currency ? [] : [`${text}: ${found}`];
    });
    expect(wrong).toEqual([]);
  });
});
