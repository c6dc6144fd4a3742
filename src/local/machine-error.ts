// Something that a local crawl needs is missing or does not work on this machine; the message says what to do.
export class MachineError extends Error {
  override readonly name = 'MachineError';
}
