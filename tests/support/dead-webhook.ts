// A webhook whose service is down, for what is created in one namespace.

/** The manifest of it; the API server answers each create of the resource with 500. */
export function deadWebhook(name: string, namespace: string, group: string, resource: string): object {
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name },
    webhooks: [
      {
        name: 'dead.example.com',
        clientConfig: { url: 'https://127.0.0.1:1/validate' },
        rules: [{ apiGroups: [group], apiVersions: ['*'], operations: ['CREATE'], resources: [resource] }],
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
        ...{ sideEffects: 'None', admissionReviewVersions: ['v1'], failurePolicy: 'Fail', timeoutSeconds: 1 },
      },
    ],
  };
}
