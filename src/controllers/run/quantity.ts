// Quantities of Kubernetes, compared: 250m, 1.5, 512Mi, 1e3. Pure functions.
import { QUANTITY_PATTERN } from '../../resources/pod-template.ts';

const SUFFIXES: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** Cores, bytes or pieces. Throws a RangeError that quotes the text when it is no quantity. */
export function quantityValue(quantity: string | number): number {
  if (typeof quantity === 'number') return quantity;
  const [, digits = '', , suffix = ''] = QUANTITY_PATTERN.exec(quantity) ?? [];
  if (digits === '') throw new RangeError(`"${quantity}" is not a quantity: write a number such as 250m, 1.5 or 512Mi`);
  if (/^[eE]./.test(suffix)) return Number(`${digits}${suffix}`);
  return Number(digits) * (SUFFIXES[suffix] ?? 1);
}

/** The lower of two quantities, as it is written. */
export function lowerQuantity(a: string | number, b: string | number): string | number {
  return quantityValue(a) <= quantityValue(b) ? a : b;
}

/** The higher of two quantities, as it is written. */
export function higherQuantity(a: string | number, b: string | number): string | number {
  return quantityValue(a) >= quantityValue(b) ? a : b;
}
