import { describe, expect, it } from 'vitest';
import { item } from '../../test/fixtures';
import type { Verdict } from '../api/wire';
import type { Tally } from '../format/verdict';
import { DEFAULT_QUERY, SORT_KEYS, type Query } from './query';
import { Row } from './row';
import { View, order, predicate } from './view';

function matches(query: Partial<Query>, row: Row): boolean {
  return predicate({ ...DEFAULT_QUERY, ...query })(row);
}

function sorted(rows: Row[], key: (typeof SORT_KEYS)[number], descending = false): string[] {
  return [...rows].sort(order({ key, descending })).map((row) => row.item.name);
}

describe('predicate', () => {
  const row = new Row(
    item('cart', {
      rules: [
        {
          host: 'cart.example.com',
          paths: [{ path: '/Basket', pathType: 'Prefix', backend: { service: { name: 'cart-svc', port: null } } }],
        },
      ],
      defaultBackend: { resource: { kind: 'Bucket', name: 'static-files' } },
    }),
  );

  it.each(['cart', 'SHOP', 'example.com', 'basket', 'cart-svc', 'static-files', 'cart basket', '  '])(
    'finds %j',
    (search) => {
      expect(matches({ search }, row)).toBe(true);
    },
  );

  it.each(['nginx', 'cart nothing', 'cartshop'])('does not find %j', (search) => {
    expect(matches({ search }, row)).toBe(false);
  });

  it('filters by namespaces', () => {
    expect(matches({ namespaces: ['mail', 'shop'] }, row)).toBe(true);
    expect(matches({ namespaces: ['mail'] }, row)).toBe(false);
  });

  it('tells a class, no class and any class apart', () => {
    const none = new Row(item('a', { ingressClassName: null }));
    expect([row, none].map((each) => matches({ ingressClass: 'nginx' }, each))).toEqual([true, false]);
    expect([row, none].map((each) => matches({ ingressClass: '' }, each))).toEqual([false, true]);
    expect([row, none].map((each) => matches({ ingressClass: null }, each))).toEqual([true, true]);
  });
});

describe('order', () => {
  const rows = [
    new Row(item('b', { namespace: 'x', creationTimestamp: '2026-01-01T00:00:00Z', addresses: [] })),
    new Row(item('a', { namespace: 'y', creationTimestamp: '2026-03-01T00:00:00Z', addresses: ['10.0.0.2'] })),
    new Row(item('c', { namespace: 'x', creationTimestamp: '2026-02-01T00:00:00Z', addresses: ['10.0.0.1'] })),
  ];

  it('sorts by each column, ties by namespace and name', () => {
    expect(sorted(rows, 'namespace')).toEqual(['b', 'c', 'a']);
    expect(sorted(rows, 'namespace', true)).toEqual(['a', 'b', 'c']);
    expect(sorted(rows, 'name')).toEqual(['a', 'b', 'c']);
    expect(sorted(rows, 'class')).toEqual(['b', 'c', 'a']);
    expect(sorted(rows, 'host', true)).toEqual(['c', 'b', 'a']);
    expect(sorted(rows, 'backend')).toEqual(['a', 'b', 'c']);
    expect(sorted(rows, 'age')).toEqual(['a', 'c', 'b']);
  });

  it('puts rows without a value last, and first when reversed', () => {
    expect(sorted(rows, 'address')).toEqual(['c', 'a', 'b']);
    expect(sorted(rows, 'address', true)).toEqual(['b', 'a', 'c']);
  });
});

describe('verdicts', () => {
  const said = (name: string, tally: Tally | null): Row => new Row(item(name), null, tally);
  const rows = [
    said('fine', { broken: 0, degraded: 0, unknown: 0, ok: 2 }),
    said('silent', null),
    said('dark', { broken: 0, degraded: 0, unknown: 1, ok: 4 }),
    said('half', { broken: 1, degraded: 0, unknown: 0, ok: 4 }),
    said('weak', { broken: 0, degraded: 1, unknown: 1, ok: 0 }),
  ];

  it('are sorted the worst first, and last what nobody judged', () => {
    expect(sorted(rows, 'verdict')).toEqual(['half', 'weak', 'dark', 'fine', 'silent']);
  });

  it('are chosen by the worst of all routes', () => {
    const chosen = (verdict: Verdict): string[] =>
      rows.filter((row) => matches({ verdict }, row)).map((row) => row.item.name);
    expect([chosen('broken'), chosen('ok'), chosen('unknown')]).toEqual([['half'], ['fine'], ['dark']]);
  });
});

describe('View', () => {
  /** A small generator of its own, so that a failure is the same the next time. */
  function generator(seed: number): (limit: number) => number {
    let state = seed;
    return (limit) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * limit);
    };
  }

  function randomRow(random: (limit: number) => number): Row {
    const name = `n${random(30)}`;
    return new Row(
      item(name, {
        namespace: ['shop', 'mail', 'maps'][random(3)] ?? 'shop',
        ingressClassName: [null, 'nginx', 'traefik'][random(3)] ?? null,
        hosts: random(4) === 0 ? [] : [`h${random(10)}.example.com`],
        addresses: random(3) === 0 ? [] : [`10.0.0.${random(5)}`],
        creationTimestamp: new Date(random(20) * 1000).toISOString(),
      }),
      null,
      random(4) === 0 ? null : { broken: random(2), degraded: random(2), unknown: random(2), ok: random(2) },
    );
  }

  it('is at every moment what filtering and sorting everything gives', () => {
    for (const [seed, key] of SORT_KEYS.entries()) {
      for (const descending of [false, true]) {
        const random = generator(seed + 1);
        const query: Query = {
          ...DEFAULT_QUERY,
          search: seed % 2 === 0 ? '' : 'n1',
          namespaces: seed % 3 === 0 ? ['shop', 'mail'] : [],
          verdict: seed % 4 === 1 ? 'broken' : null,
          sort: { key, descending },
        };
        const all = new Map<string, Row>();
        const view = new View(query);
        for (let step = 0; step < 400; step += 1) {
          const row = randomRow(random);
          const before = all.get(row.id) ?? null;
          if (random(3) === 0) {
            all.delete(row.id);
            view.replace(before, null);
          } else {
            all.set(row.id, row);
            view.replace(before, row);
          }
          const expected = [...all.values()].filter(predicate(query)).sort(order(query.sort));
          expect(view.rows).toEqual(expected);
        }
        for (const [index, row] of view.rows.entries()) {
          expect(view.indexOf(row)).toBe(index);
        }
      }
    }
  });

  it('does not find a row that is not shown', () => {
    const view = new View({ ...DEFAULT_QUERY, search: 'cart' });
    view.rebuild([new Row(item('cart')), new Row(item('mail'))]);
    expect(view.indexOf(new Row(item('mail')))).toBe(-1);
    expect(view.indexOf(new Row(item('cart')))).toBe(0);
  });
});
