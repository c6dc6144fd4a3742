// References to one key of a ConfigMap or a Secret.
import { z } from 'zod';

export const nameOf = (kind: 'ConfigMap' | 'Secret') =>
  z.string().min(1).max(253).describe(`Name of a ${kind} in the same namespace.`);

/** What Kubernetes allows as a key of their data. */
export const keyOfData = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[-._a-zA-Z0-9]+$/);
