import { describe, expect, it } from 'vitest';
import { lane } from '../../test/fixtures';
import {
  classChoices,
  classOfValue,
  classValue,
  namespaceFacets,
  namespaceLabel,
  offeredNamespaces,
  toggled,
} from './facets';

describe('namespaces', () => {
  const facets = namespaceFacets({
    namespaces: new Map([
      ['shop', 3],
      ['mail', 1],
    ]),
    lanes: new Map([lane('empty'), lane('shop'), lane(null)].map((each) => [each.id, each])),
  });

  it('are those with ingresses and those with a lane', () => {
    expect(facets).toEqual([
      { name: 'empty', count: 0 },
      { name: 'mail', count: 1 },
      { name: 'shop', count: 3 },
    ]);
  });

  it('can be found, and unchosen even when unknown', () => {
    expect(offeredNamespaces(facets, ['gone'], '').map((facet) => facet.name)).toEqual([
      'gone',
      'empty',
      'mail',
      'shop',
    ]);
    expect(offeredNamespaces(facets, [], ' Ma').map((facet) => facet.name)).toEqual(['mail']);
  });

  it('are chosen and unchosen', () => {
    expect(toggled(['shop'], 'mail')).toEqual(['mail', 'shop']);
    expect(toggled(['mail', 'shop'], 'mail')).toEqual(['shop']);
    expect([[], ['a'], ['a', 'b']].map(namespaceLabel)).toEqual(['All namespaces', 'a', '2 namespaces']);
  });
});

describe('classes', () => {
  it('may be called anything, even "all" or nothing', () => {
    for (const name of [null, '', 'all', '=x']) {
      expect(classOfValue(classValue(name))).toBe(name);
    }
  });

  it('are offered with their counts, and a chosen one always', () => {
    const choices = classChoices([{ name: '', count: 2 }], 'nginx');
    expect(choices.map((choice) => choice.label)).toEqual(['All classes', '(no class) (2)', 'nginx (0)']);
  });
});
