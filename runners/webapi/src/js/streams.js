"use strict";
// Bodies that are streams: https://fetch.spec.whatwg.org/#bodies
//
// Evaluated, after the library of streams, only for handlers that need it. A flow is a body whose
// bytes come later. It has a ReadableStream once its handler asks for one; until then, the host's
// pieces pass without one.
((internal) => {
  const { bytesOf, host } = internal;
  const { Uint8Array } = globalThis;
  const library = globalThis.WebStreamsPolyfill;
  const { ReadableStream } = library;

  delete globalThis.WebStreamsPolyfill;
  for (const [name, value] of Object.entries(library)) {
    Object.defineProperty(globalThis, name, { configurable: true, writable: true, value });
  }

  /** Calls a function of the host that answers through a callback. */
  const asked = (operation, ...values) =>
    new Promise((resolve, reject) => {
      operation(...values, (error, value) => {
        if (error === undefined) resolve(value);
        else reject(new TypeError(error));
      });
    });

  // The engine's own allocation: it collects garbage in time, and counts the bytes.
  const allocate = (length) => new Uint8Array(length);

  /** The pieces of a body that the host has, after the first ones. */
  const hostPieces = (number, first) => ({
    async read() {
      const piece = first ?? (await asked(host.readBody, number, allocate));
      first = undefined;
      return piece;
    },
    cancel() {
      host.dropBody(number);
    },
  });

  /** One piece. */
  const onePiece = (bytes) => ({
    async read() {
      const piece = bytes;
      bytes = undefined;
      return piece;
    },
    cancel() {},
  });

  const streamPieces = (stream) => {
    const reader = stream.getReader();
    return {
      async read() {
        const { value, done } = await reader.read();
        if (done) return undefined;
        if (value instanceof Uint8Array) return value;
        throw new TypeError("a stream that is a body has a piece that is not a Uint8Array");
      },
      cancel: (reason) => reader.cancel(reason),
    };
  };

  class Flow {
    #pieces;
    #stream;

    constructor(pieces, stream) {
      this.#pieces = pieces;
      this.#stream = stream;
    }

    get stream() {
      return (this.#stream ??= streamOver(this.#pieces));
    }

    get isDisturbed() {
      return this.#stream !== undefined && this.#stream._disturbed;
    }

    get isTaken() {
      return this.#stream !== undefined && (this.#stream._disturbed || this.#stream.locked);
    }

    get pieces() {
      return this.#stream === undefined ? this.#pieces : streamPieces(this.#stream);
    }
  }

  const streamOver = (pieces) =>
    new ReadableStream(
      {
        type: "bytes",
        async pull(controller) {
          const piece = await pieces.read();
          if (piece === undefined) {
            controller.close();
            controller.byobRequest?.respond(0);
          } else if (piece.length > 0) {
            controller.enqueue(piece);
          } else {
            await this.pull(controller);
          }
        },
        cancel: (reason) => pieces.cancel(reason),
      },
      { highWaterMark: 0 },
    );

  /** Gives every piece to `write`. If either side fails, the other is told. */
  async function pass(flow, write) {
    const { pieces } = flow;
    try {
      for (let piece; (piece = await pieces.read()) !== undefined; ) {
        if (piece.length > 0) await write(piece);
      }
    } catch (error) {
      Promise.resolve(pieces.cancel(error)).catch(() => {});
      throw error;
    }
  }

  internal.flows = {
    is: (body) => body instanceof Flow,

    /** The flow of a BodyInit; undefined if it is not a stream. */
    from(init) {
      if (!(init instanceof ReadableStream)) return undefined;
      if (init._disturbed || init.locked) throw new TypeError("the stream has been read already, or is locked");
      return new Flow(undefined, init);
    },

    /** The flow of a whole body. */
    of: (bytes) => new Flow(onePiece(bytes)),

    /** The flow of a body that the host has. */
    fromHost: (number, first) => new Flow(hostPieces(number, first ?? undefined)),

    clone(flow) {
      const [kept, copy] = flow.stream.tee();
      return [new Flow(undefined, kept), new Flow(undefined, copy)];
    },

    async collect(flow) {
      const pieces = [];
      let length = 0;
      await pass(flow, (piece) => {
        pieces.push(piece);
        length += piece.length;
      });
      if (pieces.length === 1) return bytesOf(pieces[0]);
      const whole = new Uint8Array(length);
      let end = 0;
      for (const piece of pieces) {
        whole.set(piece, end);
        end += piece.length;
      }
      return whole;
    },

    /** A function that the host calls to have the body of the answer. */
    answer: (flow) => () => pass(flow, (piece) => asked(host.writeAnswer, piece)),

    /** Sends the body of an outbound request. The request itself reports a failure. */
    async upload(flow, number) {
      try {
        await pass(flow, (piece) => asked(host.sendPiece, number, piece));
        host.endUpload(number);
      } catch (error) {
        host.endUpload(number, internal.describeThrown(error));
      }
    },
  };
})(globalThis.__isolab);
