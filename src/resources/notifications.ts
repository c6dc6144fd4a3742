// Where a schedule sends word of its runs: the part of a CrawlSchedule's spec that names webhooks.
import { z } from 'zod';
import { DNS_LABEL } from './dns-names.ts';
import { keyOfData, nameOf } from './object-key.ts';
import { keyedBy, uniqueValues, withRules } from './validation.ts';

/** What a receiver can be notified of. */
export const NOTIFICATION_EVENTS = [
  'Succeeded',
  'Partial',
  'Failed',
  'Stopped',
  'TimedOut',
  'Empty',
  'Unexpected',
  'Blocked',
  'Stalled',
  // Of the schedule itself
  'Suspended',
  'Late',
] as const;

const secretKey = (what: string, key: string) =>
  z.object({
    name: nameOf('Secret'),
    key: keyOfData.default(key).describe(`Key whose value is ${what}.`),
  });

const target = withRules(
  z.object({
    name: z.string().min(1).max(63).regex(DNS_LABEL).describe('Name of the receiver, unique in the schedule.'),
    url: z
      .string()
      .min(1)
      .max(2_048)
      .regex(/^https?:\/\/[^\s/?#]+/)
      .optional()
      .describe('The URL of the webhook. Private addresses are refused unless the operator allows them.'),
    urlSecretRef: secretKey('the URL', 'url')
      .optional()
      .describe('A Secret that holds the URL, in place of url: those of Slack are secrets themselves.'),
    signingSecretRef: secretKey(
      'one secret, whsec_ and base64, or the new and the old one with a space between',
      'secret',
    )
      .optional()
      .describe('A Secret with which messages are signed, by the Standard Webhooks specification.'),
    events: uniqueValues(z.array(z.enum(NOTIFICATION_EVENTS)).min(1).max(20))
      .default(['Partial', 'Failed', 'TimedOut', 'Empty', 'Unexpected', 'Blocked', 'Stalled', 'Suspended', 'Late'])
      .describe(
        'What is sent: how runs end; Empty for one that succeeded, at least in part, and gave no item; Unexpected for one that missed spec.expect; Blocked when a host first refuses pages of a run; Stalled when a worker of it first hangs; Suspended when failures have suspended the schedule; Late when it is.',
      ),
    format: z
      .enum(['Standard', 'Slack'])
      .default('Standard')
      .describe('Standard sends {type, timestamp, data}, Slack a message for an incoming webhook.'),
  }),
  [
    {
      rule: 'has(self.url) != has(self.urlSecretRef)',
      message: 'give exactly one of url and urlSecretRef',
      reason: 'FieldValueInvalid',
    },
  ],
);

export const notifications = keyedBy(z.array(target).max(10).default([]), 'name').describe(
  'Webhooks that are told how runs end, and of troubles.',
);

export type NotificationTarget = z.output<typeof target>;
