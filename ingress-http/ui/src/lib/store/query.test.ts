import { describe, expect, it } from 'vitest';
import {
  DEFAULT_QUERY,
  arrangementOf,
  ariaSort,
  isFiltering,
  queryFromHash,
  queryToHash,
  toggleSort,
  type Query,
} from './query';

describe('the address', () => {
  const queries: Query[] = [
    DEFAULT_QUERY,
    { ...DEFAULT_QUERY, search: 'cart & "100%" #1 ü' },
    { ...DEFAULT_QUERY, namespaces: ['billing', 'shop'], ingressClass: 'nginx' },
    { ...DEFAULT_QUERY, ingressClass: '' },
    { ...DEFAULT_QUERY, verdict: 'broken', sort: { key: 'verdict', descending: false } },
    { ...DEFAULT_QUERY, sort: { key: 'age', descending: true }, open: 'arn:aws:eks/prod/shop/cart' },
    { ...DEFAULT_QUERY, sort: { key: 'namespace', descending: true } },
  ];

  it.each(queries)('gives back what was put in: %j', (query) => {
    expect(queryFromHash(queryToHash(query))).toEqual(query);
  });

  it('is bare as long as nothing was chosen', () => {
    expect(queryToHash(DEFAULT_QUERY)).toBe('');
  });

  it('stays readable', () => {
    const query = { ...DEFAULT_QUERY, namespaces: ['a', 'b'], open: 'prod/shop/cart' };
    expect(queryToHash(query)).toBe('#ns=a,b&open=prod/shop/cart');
  });

  it('may hold anything', () => {
    expect(queryFromHash('#sort=-colour&ns=,,a,a&x=y&verdict=fine')).toEqual({ ...DEFAULT_QUERY, namespaces: ['a'] });
    expect(queryFromHash('')).toEqual(DEFAULT_QUERY);
  });
});

describe('a query', () => {
  it('filters only by filters', () => {
    expect(isFiltering({ ...DEFAULT_QUERY, open: 'x', search: ' ' })).toBe(false);
    expect(isFiltering({ ...DEFAULT_QUERY, ingressClass: '' })).toBe(true);
    expect(isFiltering({ ...DEFAULT_QUERY, namespaces: ['a'] })).toBe(true);
    expect(isFiltering({ ...DEFAULT_QUERY, verdict: 'ok' })).toBe(true);
  });

  it('arranges the same rows whichever is open', () => {
    expect(arrangementOf({ ...DEFAULT_QUERY, open: 'a' })).toBe(arrangementOf(DEFAULT_QUERY));
    expect(arrangementOf({ ...DEFAULT_QUERY, search: 'a' })).not.toBe(arrangementOf(DEFAULT_QUERY));
  });

  it('sorts the other way when the same header is clicked again', () => {
    const byName = toggleSort(DEFAULT_QUERY.sort, 'name');
    expect(byName).toEqual({ key: 'name', descending: false });
    expect(toggleSort(byName, 'name')).toEqual({ key: 'name', descending: true });
    expect(toggleSort(toggleSort(byName, 'name'), 'name')).toEqual(byName);
    expect(ariaSort(byName, 'name')).toBe('ascending');
    expect(ariaSort(toggleSort(byName, 'name'), 'name')).toBe('descending');
    expect(ariaSort(byName, 'age')).toBe('none');
  });
});
