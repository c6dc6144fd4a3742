// The demo shop's goods: made by arithmetic from their number, so that every start of the site sells the same things.

export interface Product {
  id: number;
  title: string;
  description: string;
  category: Category;
  /** In euros, two decimals. */
  price: number;
  /** 1.0 to 5.0, one decimal. */
  rating: number;
  inStock: boolean;
}

export const CATEGORIES = ['nets', 'floats', 'ropes', 'lamps'] as const;
export type Category = (typeof CATEGORIES)[number];

const MATERIALS = ['Cotton', 'Hemp', 'Nylon', 'Cork', 'Brass'] as const;
const NOUNS: Record<Category, string> = { nets: 'Net', floats: 'Float', ropes: 'Rope', lamps: 'Lamp' };

/** The first `count` products, numbered from 1. */
export function listProducts(count: number): Product[] {
  return Array.from({ length: count }, (_, index) => product(index + 1));
}

function product(id: number): Product {
  const category = pick(CATEGORIES, id);
  const title = `${pick(MATERIALS, id)} ${NOUNS[category]} No. ${id}`;
  return {
    id,
    title,
    description: `${title}: made for calm water, shipped within ${(id % 5) + 1} days.`,
    category,
    price: (500 + ((id * 337) % 9_500)) / 100,
    rating: (10 + ((id * 7) % 41)) / 10,
    inStock: id % 6 !== 0,
  };
}

function pick<T>(values: readonly [T, ...T[]], index: number): T {
  return values[index % values.length] ?? values[0];
}
