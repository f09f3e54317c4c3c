import type { PartialEntry } from '../api/wire';

/** How much of the clusters this viewer's view is: a question of permissions, where lanes are one of connections. */
export type Sight =
  /** Not known yet. */
  | { type: 'asking' }
  | { type: 'failed'; message: string; retryAt: number | null }
  | {
      type: 'known';
      /** What this viewer may not see. Nothing is wrong with that. */
      restricted: readonly PartialEntry[];
      /** Where nobody can tell what they may see. */
      unknown: readonly PartialEntry[];
    };

export const ASKING: Sight = { type: 'asking' };

export function sightOf(partial: readonly PartialEntry[]): Sight {
  return {
    type: 'known',
    restricted: partial.filter((entry) => entry.state === 'restricted'),
    unknown: partial.filter((entry) => entry.state === 'unknown'),
  };
}

/** Whether everything that this viewer may see is in view. */
export function isSightClear(sight: Sight): boolean {
  return sight.type === 'known' && sight.unknown.length === 0;
}

export function isRestricted(sight: Sight): boolean {
  return sight.type === 'known' && sight.restricted.length > 0;
}

/** What the view leaves out, in words. */
export function restrictedText(entries: readonly PartialEntry[]): string {
  const whole = entries.filter((entry) => entry.namespace === null);
  const named = entries.flatMap((entry) => (entry.namespace === null ? [] : [entry.namespace]));
  const sentences: string[] = [];
  if (whole.length > 0) {
    sentences.push(
      `You may not list the ingresses of all namespaces of ${few(whole.map((entry) => entry.cluster))}; only those that you may see are shown.`,
    );
  }
  if (named.length > 0) {
    sentences.push(`You may not list the ingresses in ${few(named)}.`);
  }
  return sentences.join(' ');
}

export function unknownText(entries: readonly PartialEntry[]): string {
  const clusters = few(entries.map((entry) => entry.cluster));
  const reason = entries.find((entry) => entry.reason !== null)?.reason ?? null;
  const why = reason === null ? '' : ` (${reason})`;
  return `It is not known at the moment what you may see of ${clusters}${why}, so nothing of it is shown. The server goes on asking.`;
}

/** A few names, and how many more. */
function few(names: readonly string[]): string {
  const distinct = [...new Set(names)];
  const shown = distinct.slice(0, 3).join(', ');
  return distinct.length <= 3 ? shown : `${shown} and ${String(distinct.length - 3)} more`;
}
