// Which stage a page is in, for whoever watches that its worker does not hang. What is deep inside of a page's way says so without
// knowing of which page it is a part.
import { AsyncLocalStorage } from 'node:async_hooks';

/** In this order; a page that leads to another place comes back to an earlier one. */
export type PageStage = 'Admission' | 'Fetching' | 'Reading' | 'Extracting' | 'Screenshot';

const stages = new AsyncLocalStorage<(stage: PageStage) => void>();

/** Calls `onStage` for each stage that is entered within `work`. */
export function inStages<T>(onStage: (stage: PageStage) => void, work: () => Promise<T>): Promise<T> {
  return stages.run(onStage, work);
}

/** Of the page that this is called for; nothing where nobody watches. */
export function enterStage(stage: PageStage): void {
  stages.getStore()?.(stage);
}
