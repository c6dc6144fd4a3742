// The site that everyone crawls: a tree of catalogue pages, the same in each run, written to a folder for nginx.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';

/** Children of a page; the page also links to its parent and to the first one. */
const FAN_OUT = 10;
const IMAGES = 10;
/** About 30 KB of noise, which does not compress. */
const IMAGE_SIDE = 100;

/** What a contender must find on each page. */
export type Expected = { readonly path: string; readonly title: string; readonly price: number };

export function expectedPages(count: number): Expected[] {
  return Array.from({ length: count }, (_, number) => ({
    path: `/p/${number}`,
    title: `Product ${number}`,
    price: priceOf(number),
  }));
}

/** Writes `p/<number>` for each page and one image; `withImages` puts references to ten of their own on each page. */
export async function writeSite(folder: string, count: number, withImages: boolean): Promise<void> {
  await mkdir(join(folder, 'p'), { recursive: true });
  await writeFile(join(folder, 'image.png'), noisePng(IMAGE_SIDE));
  for (let number = 0; number < count; number++) {
    await writeFile(join(folder, 'p', String(number)), pageOf(number, count, withImages));
  }
}

function priceOf(number: number): number {
  return Number((5 + ((number * 7919) % 10_000) / 100).toFixed(2));
}

function pageOf(number: number, count: number, withImages: boolean): string {
  const children = Array.from({ length: FAN_OUT }, (_, index) => number * FAN_OUT + index + 1).filter((n) => n < count);
  const links = [0, Math.max(0, Math.floor((number - 1) / FAN_OUT)), ...children];
  const images = Array.from({ length: withImages ? IMAGES : 0 }, (_, index) => `/i/${number}-${index}`);
  const rows = Array.from(
    { length: 20 },
    (_, row) => `<tr><th>Property ${row}</th><td>${words(number + row, 6)}</td></tr>`,
  );
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Product ${number}</title>
<style>body { font: 16px sans-serif; margin: 2em } td { padding: 4px; border: 1px solid #ccc } nav a { margin: 1em }</style>
</head><body><nav>${links.map((link) => `<a href="/p/${link}">Product ${link}</a>`).join('\n')}</nav>
<main><h1>Product ${number}</h1><p class="price">€ ${priceOf(number).toFixed(2)}</p>
${images.map((image) => `<img src="${image}" width="100" height="100" alt="">`).join('\n')}
<p class="description">${words(number, 40)}</p><table>${rows.join('\n')}</table>
${Array.from({ length: 12 }, (_, part) => `<p>${words(number * 31 + part, 60)}</p>`).join('\n')}
</main></body></html>\n`;
}

const VOCABULARY =
  'blue large wooden quiet garden table winter river stone light paper market early simple round'.split(' ');

function words(seed: number, count: number): string {
  return Array.from(
    { length: count },
    (_, index) => VOCABULARY[(seed * 13 + index * 7 + ((seed * index) % 11)) % 15],
  ).join(' ');
}

/** A PNG of random pixels. */
function noisePng(side: number): Buffer {
  const pixels = Buffer.alloc(side * (side * 3 + 1));
  let state = 1;
  for (let index = 0; index < pixels.length; index++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    // The first byte of a row names its filter: none.
    pixels[index] = index % (side * 3 + 1) === 0 ? 0 : state >>> 24;
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.set([8, 2], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', deflateSync(pixels)), chunk('IEND')]);
}

function chunk(type: string, data: Buffer = Buffer.alloc(0)): Buffer {
  const content = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const framed = Buffer.alloc(content.length + 8);
  framed.writeUInt32BE(data.length, 0);
  framed.set(content, 4);
  framed.writeUInt32BE(crc32(content), content.length + 4);
  return framed;
}
