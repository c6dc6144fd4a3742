// The error of the store, as src/gateway/protocol has it.
export * from '../gateway/protocol/store-error.ts';
