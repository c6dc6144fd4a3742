// A notification as its receiver gets it: body and headers. Pure functions.
import { Webhook } from 'standardwebhooks';
import type { NotificationTarget } from '../resources/notifications.ts';
import type { Notification } from '../store/notification-store.ts';

/** Why secrets cannot sign; never holds one. */
export class SigningSecretError extends Error {
  override readonly name = 'SigningSecretError';
}

export type Message = { readonly body: string; readonly headers: Readonly<Record<string, string>> };

/**
 * The message by the Standard Webhooks specification: `webhook-id` is the same for each try, `webhook-timestamp` is that of this
 * try, and each secret gives a signature, so that a receiver may know the old one or the new one.
 * @param secrets of the Secret's key, with white space between them; empty for a message without a signature
 * @throws SigningSecretError
 */
export function messageOf(
  notification: Notification,
  format: NotificationTarget['format'],
  secrets: string,
  now: Date,
): Message {
  const { notificationId: id } = notification;
  const body = JSON.stringify(format === 'Slack' ? slackBody(notification) : standardBody(notification));
  const signatures = secrets
    .split(/\s+/)
    .filter(Boolean)
    .map((secret) => sign(secret, id, now, body));
  return {
    body,
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
      ...(signatures.length === 0 ? {} : { 'webhook-signature': signatures.join(' ') }),
    },
  };
}

function sign(secret: string, id: string, now: Date, body: string): string {
  try {
    return new Webhook(secret).sign(id, now, body);
  } catch {
    throw new SigningSecretError('the signing secret is not whsec_ and base64');
  }
}

function standardBody({ event, occurredAt, payload }: Notification) {
  const about = 'run' in payload ? 'run' : 'schedule';
  return { type: `${about}.${event.toLowerCase()}`, timestamp: occurredAt.toISOString(), data: payload };
}

/** Text for people; what Slack takes for markup is escaped as its documentation says. */
function slackBody({ event, payload }: Notification) {
  const text = 'run' in payload ? textOfRun(event, payload) : textOfSchedule(event, payload);
  return { text: text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;') };
}

function textOfSchedule(event: string, { namespace, schedule, message }: Notification['payload']): string {
  return `${namespace}/${schedule}: ${event}: ${message}`;
}

function textOfRun(event: string, payload: Notification['payload']): string {
  const { run, namespace, message, items, pages, compared } = payload as {
    run: string;
    namespace: string;
    message: string | null;
    items?: number;
    pages?: { succeeded: number; failed: number };
    compared?: { items: { new: number; changed: number; gone: number } };
  };
  const changes = compared?.items;
  const found = changes ? ` of which ${changes.new} new and ${changes.changed} changed, ${changes.gone} gone` : '';
  if (pages === undefined) return `${namespace}/${run}: ${event}: ${message}`;
  const counts = `${pages.succeeded} pages, ${pages.failed} failed, ${items} items${found}`;
  return `${namespace}/${run}: ${event === 'Empty' ? 'no items were found' : event} (${counts})${message === null ? '' : `: ${message}`}`;
}
