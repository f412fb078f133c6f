const encoder = new TextEncoder();

/**
 * Pages, none of them empty, as one JSON array, byte for byte what JSON.stringify makes of them together; each is asked for when the one before
 * it is on its way. Rejects when the first page fails; a later one that fails breaks the stream off.
 */
export async function jsonArray(pages: AsyncIterable<readonly unknown[]>): Promise<ReadableStream<Uint8Array>> {
  const iterator = pages[Symbol.asyncIterator]();
  let next = await iterator.next();
  let separator = '[';
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (next.done) {
          controller.enqueue(encoder.encode(separator === '[' ? '[]' : ']'));
          controller.close();
          return;
        }
        const items = next.value.map((item) => JSON.stringify(item)).join(',');
        controller.enqueue(encoder.encode(`${separator}${items}`));
        separator = ',';
        next = await iterator.next();
      },
      async cancel() {
        await iterator.return?.();
      },
    },
    // Nothing is read ahead.
    { highWaterMark: 0 },
  );
}
