// Which elements show another page within a page, besides frames.

/**
 * Whether an object or embed shows a page: by its type, and where it has none, by the name of what it shows. Everything
 * else is a picture, a film or a plug-in. Sent to the browser as text, as `readPage` is: it may use nothing around it.
 * @param type the attribute `type`, a hint that browsers believe (HTML standard 4.8.7)
 * @param address the attribute `data` of an object, `src` of an embed
 */
export function showsPage(type: string | null, address: string): boolean {
  const essence = (type ?? '').split(';')[0]?.trim().toLowerCase();
  if (essence) return essence === 'text/html' || essence === 'application/xhtml+xml';
  return /^[^?#]*\.x?html?([?#]|$)/i.test(address);
}
