/** The maths of a virtualised table whose rows all have the same height. */
export interface Window {
  /** The first and, exclusively, the last row to render. */
  start: number;
  end: number;
  /** Where the first rendered row lies, in pixels. */
  offset: number;
  /** The height of all rows together. */
  height: number;
}

export interface Viewport {
  scrollTop: number;
  height: number;
}

/** Rows rendered beyond each edge, so that a fast scroll shows rows and not gaps. */
export const OVERSCAN = 8;

/**
 * Which rows to render.
 *
 * Every row has the same height, by design of the table, so this is four divisions and needs no library: a general
 * virtualiser pays, in measuring and in code, for the variable heights that this table does without.
 */
export function windowOf(count: number, rowHeight: number, viewport: Viewport, overscan = OVERSCAN): Window {
  const height = count * rowHeight;
  const top = Math.min(Math.max(0, viewport.scrollTop), Math.max(0, height - viewport.height));
  const start = Math.max(0, Math.floor(top / rowHeight) - overscan);
  const end = Math.min(count, Math.ceil((top + viewport.height) / rowHeight) + overscan);
  return { start, end, offset: start * rowHeight, height };
}

/** The scroll position nearest to the current one at which a row is entirely visible. */
export function scrollToShow(index: number, rowHeight: number, viewport: Viewport): number {
  const top = index * rowHeight;
  if (top < viewport.scrollTop) {
    return top;
  }
  const bottom = top + rowHeight;
  return bottom > viewport.scrollTop + viewport.height ? bottom - viewport.height : viewport.scrollTop;
}

/**
 * By how many rows the ones in view were moved by what changed above them: the median, because a single row may have
 * been moved far away by a change of its own, and the table must not follow that one.
 */
export function medianShift(shifts: readonly number[]): number {
  const sorted = [...shifts].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** Where a key of the grid moves to, or `null` for a key that does not move. */
export function moveIndex(key: string, from: number, count: number, pageRows: number): number | null {
  const target = targetOf(key, from, count, pageRows);
  return target === null || count === 0 ? null : Math.min(Math.max(0, target), count - 1);
}

function targetOf(key: string, from: number, count: number, pageRows: number): number | null {
  switch (key) {
    case 'ArrowDown':
      return from + 1;
    case 'ArrowUp':
      return from < 0 ? 0 : from - 1;
    case 'PageDown':
      return Math.max(from, 0) + pageRows;
    case 'PageUp':
      return from - pageRows;
    case 'Home':
      return 0;
    case 'End':
      return count - 1;
    default:
      return null;
  }
}
