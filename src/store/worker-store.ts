// What workers may ask, as src/gateway/protocol has it.
export * from '../gateway/protocol/worker-store.ts';
