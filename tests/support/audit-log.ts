// The API server's audit log: what it really executed and when, whatever a client believes.
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

/** The part of an audit event that is read here. */
export interface AuditEvent {
  stage: string;
  verb: string;
  user: { username: string };
  userAgent?: string;
  objectRef?: { apiGroup?: string; resource: string; subresource?: string; namespace?: string; name?: string };
  responseStatus?: { code: number };
  /** Among them what the authorizer decided; admission may refuse later, as in a namespace that is being deleted. */
  annotations?: { 'authorization.k8s.io/decision'?: 'allow' | 'forbid' };
  /** Only for what startControlPlane was told to record with objects. */
  responseObject?: unknown;
  /** When the API server received the request, with microseconds. */
  requestReceivedTimestamp: string;
  /** When this stage was reached: for ResponseComplete, when the answer was sent. */
  stageTimestamp: string;
}

/** Every request that has ended, in the order of their ends. */
export async function* auditEvents(path: string): AsyncGenerator<AuditEvent> {
  for await (const line of createInterface({ input: createReadStream(path) })) {
    if (line === '') continue;
    const event = JSON.parse(line) as AuditEvent;
    if (event.stage === 'ResponseComplete') yield event;
  }
}

export function succeeded(event: AuditEvent): boolean {
  const code = event.responseStatus?.code ?? 0;
  return code >= 200 && code < 300;
}
