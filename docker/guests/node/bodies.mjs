// Bodies between Node's streams and those of the web API.

/** All of a body; null if it is empty. */
export async function whole(incoming) {
  const chunks = [];
  for await (const chunk of incoming) chunks.push(chunk);
  return chunks.length > 0 ? joined(chunks) : null;
}

export function joined(chunks) {
  return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
}

/** A body that arrives in pieces. Each is read when the handler asks for it, and this many bytes are read ahead. */
export function flowing(incoming, readAheadBytes = 0, cancel = () => {}) {
  const chunks = incoming.iterator({ destroyOnReturn: false });
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      // A copy: handlers may keep the memory or give it away, and a chunk shares it with others.
      else controller.enqueue(new Uint8Array(value));
    },
    cancel,
  }, new ByteLengthQueuingStrategy({ highWaterMark: readAheadBytes }));
}

/** Waits until the peer has taken what was written, or its connection is gone. */
export function drained(outgoing) {
  return new Promise((resolve) => {
    const done = () => {
      outgoing.off("drain", done).off("close", done);
      resolve();
    };
    outgoing.on("drain", done).on("close", done);
  });
}
