import type { Lane, Verdict } from '../api/wire';
import { VERDICTS } from '../format/verdict';

/** A value that rows can be filtered by, and how many rows have it. */
export interface Facet {
  name: string;
  count: number;
}

export function facetsOf(counts: ReadonlyMap<string, number>): Facet[] {
  return [...counts]
    .map(([name, count]) => ({ name, count }))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** All verdicts, the worst first, also those that no row has. */
export function verdictFacets(counts: ReadonlyMap<Verdict, number>): Facet[] {
  return VERDICTS.map((name) => ({ name, count: counts.get(name) ?? 0 }));
}

/** The namespaces that have ingresses, and those that a lane reads without finding any. */
export function namespaceFacets(feed: {
  namespaces: ReadonlyMap<string, number>;
  lanes: ReadonlyMap<string, Lane>;
}): Facet[] {
  const counts = new Map(feed.namespaces);
  for (const { namespace } of feed.lanes.values()) {
    if (namespace !== null && !counts.has(namespace)) {
      counts.set(namespace, 0);
    }
  }
  return facetsOf(counts);
}

/** The namespaces to choose from. A chosen one stays in the list even when nothing is known of it, so it can be unchosen. */
export function offeredNamespaces(facets: readonly Facet[], selected: readonly string[], typed: string): Facet[] {
  const known = new Set(facets.map((facet) => facet.name));
  const unknown = selected.filter((name) => !known.has(name)).map((name) => ({ name, count: 0 }));
  const wanted = typed.trim().toLowerCase();
  return [...unknown, ...facets].filter((facet) => facet.name.toLowerCase().includes(wanted));
}

export function namespaceLabel(selected: readonly string[]): string {
  const [first, ...others] = selected;
  if (first === undefined) {
    return 'All namespaces';
  }
  return others.length === 0 ? first : `${selected.length} namespaces`;
}

export function toggled(selected: readonly string[], name: string): string[] {
  return selected.includes(name) ? selected.filter((other) => other !== name) : [...selected, name].sort();
}

/** The choices of the class filter. `value` is what the select element holds: a class may have any name, even an empty one. */
export function classChoices(facets: readonly Facet[], selected: string | null): { value: string; label: string }[] {
  const all =
    selected === null || facets.some((facet) => facet.name === selected)
      ? facets
      : [...facets, { name: selected, count: 0 }];
  return [
    { value: 'all', label: 'All classes' },
    ...all.map(({ name, count }) => ({ value: `=${name}`, label: `${name === '' ? '(no class)' : name} (${count})` })),
  ];
}

export function classValue(selected: string | null): string {
  return selected === null ? 'all' : `=${selected}`;
}

export function classOfValue(value: string): string | null {
  return value.startsWith('=') ? value.slice(1) : null;
}
