// What callers may write where it reaches Kubernetes as a part of a path, or PostgreSQL as a value: neither has to refuse it.
import { z } from '@hono/zod-openapi';
import { DNS_LABEL, DNS_SUBDOMAIN } from '../../resources/dns-names.ts';

export const namespaceName = z.string().min(1).max(63).regex(DNS_LABEL, 'is no name of a namespace');

/** Of a resource. A path with `..` in it would reach another one. */
export const objectName = z.string().min(1).max(253).regex(DNS_SUBDOMAIN, 'is no name of a resource');

/** PostgreSQL stores neither U+0000 nor half of a surrogate pair. */
export const storableText = (most: number) =>
  z
    .string()
    .max(most)
    .refine((text) => !text.includes('\0') && text.isWellFormed(), 'has a character that cannot be stored');

/** A key that PostgreSQL counts up. */
export const bigKey = z.string().refine((digits) => /^\d{1,19}$/.test(digits) && BigInt(digits) < 2n ** 63n);

/** A time as PostgreSQL writes it in UTC, such as `2030-01-02 03:04:05.678901+00`. */
export const databaseTime = z
  .string()
  .max(40)
  .refine((text) => isoTime.safeParse(text.replace(' ', 'T').replace(/([+-]\d\d)$/, '$1:00')).success);

const isoTime = z.iso.datetime({ offset: true });
