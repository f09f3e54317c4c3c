/** How long one turn may work before it lets the page paint, in milliseconds. */
const BUDGET = 8;

/** What the queue needs of the world. */
export interface QueueEnv {
  /** Milliseconds of a monotonic clock. */
  now: () => number;
  /** Runs the callback once, before the next paint or, where nothing is painted, soon. */
  schedule: (callback: () => void) => void;
}

/**
 * Takes in work as it arrives and does it in frames: what comes within one frame is shown at once, and a large snapshot
 * is spread over as many frames as it needs instead of freezing the page.
 */
export class FrameQueue<T> {
  readonly #work: (item: T) => void;
  readonly #done: () => void;
  readonly #env: QueueEnv;
  #items: T[] = [];
  #next = 0;
  #scheduled = false;

  /** `work` is called for each item in order, `done` once at the end of every frame that did some. */
  constructor(work: (item: T) => void, done: () => void, env: QueueEnv) {
    this.#work = work;
    this.#done = done;
    this.#env = env;
  }

  push(item: T): void {
    this.#items.push(item);
    this.#schedule();
  }

  clear(): void {
    this.#items = [];
    this.#next = 0;
  }

  #schedule(): void {
    if (!this.#scheduled) {
      this.#scheduled = true;
      this.#env.schedule(() => {
        this.#scheduled = false;
        this.#frame();
      });
    }
  }

  #frame(): void {
    const until = this.#env.now() + BUDGET;
    while (this.#next < this.#items.length) {
      const item = this.#items[this.#next] as T;
      this.#next += 1;
      this.#work(item);
      if (this.#env.now() >= until) {
        break;
      }
    }
    if (this.#next < this.#items.length) {
      this.#schedule();
    } else {
      this.clear();
    }
    this.#done();
  }
}

/**
 * Frames while the page is visible; a slow timer while it is not, since hidden pages get no frames and would otherwise
 * pile up everything that happens meanwhile.
 */
export function browserQueueEnv(): QueueEnv {
  return {
    now: () => performance.now(),
    schedule: (callback) => {
      if (document.visibilityState === 'hidden') {
        setTimeout(callback, 250);
        return;
      }
      // Whichever comes first: a page that is hidden after this line gets no frame any more.
      let ran = false;
      const once = (): void => {
        if (!ran) {
          ran = true;
          callback();
        }
      };
      requestAnimationFrame(once);
      setTimeout(once, 250);
    },
  };
}
