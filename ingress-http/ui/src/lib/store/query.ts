import type { Verdict } from '../api/wire';
import { isVerdict } from '../format/verdict';

/** What the person is looking at: filters, order and the opened object. All of it lives in the address, so it can be shared. */
export interface Query {
  search: string;
  /** Empty: every namespace. */
  namespaces: readonly string[];
  /** `null`: every class; `''`: ingresses that name none. */
  ingressClass: string | null;
  /** `null`: every verdict. */
  verdict: Verdict | null;
  sort: Sort;
  /** The id of the object whose details are open. */
  open: string | null;
}

export const SORT_KEYS = ['verdict', 'namespace', 'name', 'class', 'host', 'backend', 'tls', 'address', 'age'] as const;
export type SortKey = (typeof SORT_KEYS)[number];

export interface Sort {
  key: SortKey;
  descending: boolean;
}

export const NO_FILTERS = { search: '', namespaces: [], ingressClass: null, verdict: null } as const;

export const DEFAULT_QUERY: Query = {
  ...NO_FILTERS,
  sort: { key: 'namespace', descending: false },
  open: null,
};

export function isFiltering(query: Query): boolean {
  return (
    query.search.trim() !== '' || query.namespaces.length > 0 || query.ingressClass !== null || query.verdict !== null
  );
}

/** Clicking a header: first ascending, then the other way round. */
export function toggleSort(sort: Sort, key: SortKey): Sort {
  return { key, descending: sort.key === key && !sort.descending };
}

function isSortKey(text: string): text is SortKey {
  return (SORT_KEYS as readonly string[]).includes(text);
}

/** Writes only what differs from the default, so that an untouched page has a bare address. */
export function queryToHash(query: Query): string {
  const params = new URLSearchParams();
  if (query.search !== '') {
    params.set('q', query.search);
  }
  if (query.namespaces.length > 0) {
    params.set('ns', query.namespaces.join(','));
  }
  if (query.ingressClass !== null) {
    params.set('class', query.ingressClass);
  }
  if (query.verdict !== null) {
    params.set('verdict', query.verdict);
  }
  const { key, descending } = query.sort;
  if (key !== DEFAULT_QUERY.sort.key || descending) {
    params.set('sort', `${descending ? '-' : ''}${key}`);
  }
  if (query.open !== null) {
    params.set('open', query.open);
  }
  // Slashes and commas need no escape in a fragment, and links with them stay readable.
  const text = params.toString().replaceAll('%2F', '/').replaceAll('%2C', ',');
  return text === '' ? '' : `#${text}`;
}

/** Two queries with the same arrangement show the same rows in the same order. */
export function arrangementOf(query: Query): string {
  return queryToHash({ ...query, open: null });
}

/** Reads an address somebody may have typed: what makes no sense is left at its default. */
export function queryFromHash(hash: string): Query {
  const params = new URLSearchParams(hash.startsWith('#') ? hash.slice(1) : hash);
  const sort = params.get('sort') ?? '';
  const descending = sort.startsWith('-');
  const key = descending ? sort.slice(1) : sort;
  const verdict = params.get('verdict') ?? '';
  return {
    search: params.get('q') ?? '',
    namespaces: [...new Set((params.get('ns') ?? '').split(',').filter((name) => name !== ''))],
    ingressClass: params.get('class'),
    verdict: isVerdict(verdict) ? verdict : null,
    sort: isSortKey(key) ? { key, descending } : DEFAULT_QUERY.sort,
    open: params.get('open'),
  };
}

export function ariaSort(sort: Sort, key: SortKey): 'ascending' | 'descending' | 'none' {
  if (sort.key !== key) {
    return 'none';
  }
  return sort.descending ? 'descending' : 'ascending';
}
