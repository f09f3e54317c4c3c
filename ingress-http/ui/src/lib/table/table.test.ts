import { describe, expect, it } from 'vitest';
import { item } from '../../test/fixtures';
import { Row } from '../store/row';
import { PULSE, clip, hostLines, pathLines, pulseOf, tlsSummary } from './cells';
import { layoutOf, linesOf, rowHeightOf } from './layout';
import { medianShift, moveIndex, scrollToShow, windowOf } from './window';

describe('windowOf', () => {
  it('renders what is in view and a little more', () => {
    expect(windowOf(10_000, 50, { scrollTop: 0, height: 500 }, 4)).toEqual({
      start: 0,
      end: 14,
      offset: 0,
      height: 500_000,
    });
    expect(windowOf(10_000, 50, { scrollTop: 1025, height: 500 }, 4)).toEqual({
      start: 16,
      end: 35,
      offset: 800,
      height: 500_000,
    });
  });

  it('covers every pixel of the viewport at every position', () => {
    for (const count of [0, 1, 3, 11, 200]) {
      for (let scrollTop = -30; scrollTop < count * 48 + 200; scrollTop += 7) {
        const viewport = { scrollTop, height: 333 };
        const { start, end, offset, height } = windowOf(count, 48, viewport, 0);
        const top = Math.min(Math.max(0, scrollTop), Math.max(0, height - 333));
        expect(offset).toBeLessThanOrEqual(top);
        expect(end * 48).toBeGreaterThanOrEqual(Math.min(height, top + 333));
        expect(start).toBeGreaterThanOrEqual(0);
        expect(end).toBeLessThanOrEqual(count);
      }
    }
  });

  it('shows the last rows when rows vanish from under the scroll position', () => {
    expect(windowOf(10, 50, { scrollTop: 90_000, height: 200 }, 0)).toMatchObject({ start: 6, end: 10 });
  });
});

describe('scrolling', () => {
  it('moves no further than it has to', () => {
    const viewport = { scrollTop: 1000, height: 500 };
    expect(scrollToShow(25, 50, viewport)).toBe(1000);
    expect(scrollToShow(5, 50, viewport)).toBe(250);
    expect(scrollToShow(40, 50, viewport)).toBe(1550);
  });

  it('follows the rows in view, and not the one that moved away', () => {
    expect(medianShift([])).toBe(0);
    expect(medianShift([2, 2, 2, -4000])).toBe(2);
    expect(medianShift([-1])).toBe(-1);
  });
});

describe('moveIndex', () => {
  it.each([
    ['ArrowDown', -1, 0],
    ['ArrowUp', -1, 0],
    ['ArrowDown', 99, 99],
    ['ArrowUp', 5, 4],
    ['PageDown', 5, 15],
    ['PageUp', 5, 0],
    ['PageDown', 95, 99],
    ['Home', 50, 0],
    ['End', 50, 99],
  ])('%s from %d goes to %d', (key, from, to) => {
    expect(moveIndex(key, from, 100, 10)).toBe(to);
  });

  it('leaves other keys and empty tables alone', () => {
    expect(moveIndex('a', 5, 100, 10)).toBeNull();
    expect(moveIndex('End', -1, 0, 10)).toBeNull();
  });
});

describe('layout', () => {
  it('drops columns before it stacks', () => {
    expect([1400, 1000, 800, 375].map(layoutOf)).toEqual(['wide', 'medium', 'narrow', 'stacked']);
    expect(rowHeightOf('stacked')).toBeGreaterThan(rowHeightOf('wide'));
    expect([linesOf('wide'), linesOf('stacked')]).toEqual([2, 1]);
  });
});

describe('cells', () => {
  it('clip what does not fit and count it', () => {
    expect(clip([1, 2, 3], 2)).toEqual({ shown: [1, 2], more: 1 });
    expect(clip([], 2)).toEqual({ shown: [], more: 0 });
  });

  it('list hosts, and a rule for every host', () => {
    const lines = hostLines(
      item('a', { hosts: ['a.example.com', '*.b.example.com'], rules: [{ host: null, paths: [] }] }),
    );
    expect(lines).toEqual([
      { text: 'a.example.com', href: 'http://a.example.com/' },
      { text: '*.b.example.com', href: null },
      { text: 'any host', href: null },
    ]);
  });

  it('list each path and backend once, the default last', () => {
    const backend = { service: { name: 'cart', port: { number: 80 } } };
    const paths = [{ path: '/cart', pathType: 'Prefix', backend }];
    const rules = [
      { host: 'a', paths },
      { host: 'b', paths: [...paths, { path: null, pathType: 'Prefix', backend }] },
    ];
    expect(pathLines(item('a', { rules, defaultBackend: backend }))).toEqual([
      { path: '/cart', backend: 'cart:80' },
      { path: 'any path', backend: 'cart:80' },
      { path: 'otherwise', backend: 'cart:80' },
    ]);
  });

  it('tell which hosts TLS leaves out', () => {
    const hosts = ['a.example.com', 'b.example.com'];
    expect(tlsSummary(item('a', { hosts }))).toEqual({ secrets: [], uncovered: [] });
    expect(tlsSummary(item('a', { hosts, tls: [{ hosts: ['a.example.com'], secretName: 'one' }] }))).toEqual({
      secrets: ['one'],
      uncovered: ['b.example.com'],
    });
    expect(tlsSummary(item('a', { hosts, tls: [{ hosts: [], secretName: null }] }))).toEqual({
      secrets: ['default certificate'],
      uncovered: [],
    });
  });

  it('highlight a change for a moment, and the next one anew', () => {
    const changed = (at: number): Row => new Row(item('a'), { kind: 'modified', at });
    expect(pulseOf(new Row(item('a')), 0)).toBeNull();
    expect(pulseOf(changed(1000), 1000 + PULSE)).toBeNull();
    expect(pulseOf(changed(1000), 1001)).toBe('modified-even');
    expect(pulseOf(changed(1001), 1002)).toBe('modified-odd');
  });
});
