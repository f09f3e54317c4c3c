import { describe, expect, it } from 'vitest';
import { SseParser, type SseMessage } from './sse';

interface Parsed {
  messages: SseMessage[];
  ids: string[];
  retries: number[];
  comments: number;
}

function parse(chunks: string[]): Parsed {
  const result: Parsed = { messages: [], ids: [], retries: [], comments: 0 };
  const parser = new SseParser({
    message: (message) => result.messages.push(message),
    id: (id) => result.ids.push(id),
    retry: (milliseconds) => result.retries.push(milliseconds),
    comment: () => {
      result.comments += 1;
    },
  });
  for (const chunk of chunks) {
    parser.push(chunk);
  }
  return result;
}

const STREAM =
  '\uFEFFretry: 1500\r\n\r\n: heartbeat\n\nevent: added\nid: 4f:1\ndata: {"a":\ndata:1}\n\ndata:  two spaces\r\rid\ndata\n\n: late\nid: 4f:9\n\nevent: cut off\nid: 4f:10\ndata: x\n';

describe('SseParser', () => {
  it('reads events, comments and retry times as the standard has them', () => {
    expect(parse([STREAM])).toEqual({
      messages: [
        { event: 'added', data: '{"a":\n1}' },
        { event: 'message', data: ' two spaces' },
        { event: 'message', data: '' },
      ],
      ids: ['4f:1', '', '4f:9'],
      retries: [1500],
      comments: 2,
    });
  });

  it('reads the same however the stream is cut', () => {
    const whole = parse([STREAM]);
    for (let size = 1; size <= STREAM.length; size += 1) {
      const chunks: string[] = [];
      for (let at = 0; at < STREAM.length; at += size) {
        chunks.push(STREAM.slice(at, at + size));
      }
      expect(parse(chunks), `in pieces of ${size}`).toEqual(whole);
    }
  });

  it('ignores an id with a NUL and a retry that is no number', () => {
    expect(parse(['id: a\0b\nretry: soon\ndata: x\n\n'])).toEqual({
      messages: [{ event: 'message', data: 'x' }],
      ids: [],
      retries: [],
      comments: 0,
    });
  });
});
