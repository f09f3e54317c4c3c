/** One dispatched server-sent event. */
export interface SseMessage {
  event: string;
  data: string;
}

export interface SseHandlers {
  message: (message: SseMessage) => void;
  /**
   * Where to resume from has changed. Called before the message of the same block; a block may also have an id and no
   * data, which is no message, and its id counts all the same.
   */
  id: (id: string) => void;
  /** The server asks for this reconnection delay, in milliseconds. */
  retry: (milliseconds: number) => void;
  /** A comment line came, which is how the server sends heartbeats. */
  comment: () => void;
}

/**
 * An incremental parser of `text/event-stream`, as the HTML standard defines it.
 *
 * The page reads the stream with `fetch` rather than `EventSource`, since the latter hides what an honest view needs:
 * the heartbeat comments (a connection that has silently died looks connected for ever), the status and the words of a
 * refusal, and when it will try again. The price is this file.
 */
export class SseParser {
  readonly #handlers: SseHandlers;
  #buffer = '';
  /** Everything before this offset of the buffer is known to hold no line end. */
  #scanned = 0;
  #first = true;
  #event = '';
  #data: string[] = [];
  /** The id of the block that is being read: it counts from the end of its block on. */
  #id: string | null = null;

  constructor(handlers: SseHandlers) {
    this.#handlers = handlers;
  }

  push(text: string): void {
    if (this.#first && text !== '') {
      this.#first = false;
      text = text.startsWith('\uFEFF') ? text.slice(1) : text;
    }
    this.#buffer += text;
    let start = 0;
    for (;;) {
      const end = this.#lineEnd(Math.max(start, this.#scanned));
      if (end === null) {
        break;
      }
      this.#line(this.#buffer.slice(start, end.at));
      start = end.next;
      this.#scanned = start;
    }
    this.#buffer = this.#buffer.slice(start);
    // A carriage return at the very end may be half of a CRLF, so it is looked at again.
    this.#scanned = this.#buffer.endsWith('\r') ? this.#buffer.length - 1 : this.#buffer.length;
  }

  #lineEnd(from: number): { at: number; next: number } | null {
    for (let i = from; i < this.#buffer.length; i += 1) {
      const code = this.#buffer.charCodeAt(i);
      if (code === 0x0a) {
        return { at: i, next: i + 1 };
      }
      if (code === 0x0d) {
        if (i + 1 === this.#buffer.length) {
          return null;
        }
        return { at: i, next: this.#buffer.charCodeAt(i + 1) === 0x0a ? i + 2 : i + 1 };
      }
    }
    return null;
  }

  #line(line: string): void {
    if (line === '') {
      this.#dispatch();
      return;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? '' : line.slice(colon + 1);
    if (value.startsWith(' ')) {
      value = value.slice(1);
    }
    switch (field) {
      case '':
        this.#handlers.comment();
        break;
      case 'event':
        this.#event = value;
        break;
      case 'data':
        this.#data.push(value);
        break;
      case 'id':
        if (!value.includes('\0')) {
          this.#id = value;
        }
        break;
      case 'retry':
        if (/^\d+$/.test(value)) {
          this.#handlers.retry(Number(value));
        }
        break;
    }
  }

  #dispatch(): void {
    const event = this.#event === '' ? 'message' : this.#event;
    const data = this.#data;
    const id = this.#id;
    this.#event = '';
    this.#data = [];
    this.#id = null;
    if (id !== null) {
      this.#handlers.id(id);
    }
    if (data.length > 0) {
      this.#handlers.message({ event, data: data.join('\n') });
    }
  }
}
