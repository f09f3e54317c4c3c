import { describe, expect, it } from 'vitest';
import { FrameQueue } from './queue';

describe('FrameQueue', () => {
  /** A queue whose clock advances by `cost` per item and whose frames the test runs. */
  function harness(cost: number): { queue: FrameQueue<number>; frame: () => void; log: (number | string)[] } {
    let now = 0;
    let scheduled: (() => void) | null = null;
    const log: (number | string)[] = [];
    const queue = new FrameQueue<number>(
      (item) => {
        now += cost;
        log.push(item);
      },
      () => log.push('shown'),
      {
        now: () => now,
        schedule: (callback) => {
          expect(scheduled).toBeNull();
          scheduled = callback;
        },
      },
    );
    const frame = (): void => {
      const run = scheduled;
      scheduled = null;
      run?.();
    };
    return { queue, frame, log };
  }

  it('shows once what came within a frame', () => {
    const { queue, frame, log } = harness(0);
    queue.push(1);
    queue.push(2);
    expect(log).toEqual([]);
    frame();
    expect(log).toEqual([1, 2, 'shown']);
    frame();
    expect(log).toEqual([1, 2, 'shown']);
  });

  it('spreads a lot of work over frames, in order', () => {
    const { queue, frame, log } = harness(5);
    for (const item of [1, 2, 3]) {
      queue.push(item);
    }
    frame();
    queue.push(4);
    frame();
    expect(log).toEqual([1, 2, 'shown', 3, 4, 'shown']);
  });

  it('always gets on, however expensive an item is', () => {
    const { queue, frame, log } = harness(100);
    queue.push(1);
    queue.push(2);
    frame();
    frame();
    expect(log).toEqual([1, 'shown', 2, 'shown']);
  });

  it('forgets what was cleared', () => {
    const { queue, frame, log } = harness(0);
    queue.push(1);
    queue.clear();
    queue.push(2);
    frame();
    expect(log).toEqual([2, 'shown']);
  });
});
