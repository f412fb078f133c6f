/**
 * Gives the memory of bytes that nobody reads any more back at once; they are empty from then on. Large buffers weigh next
 * to nothing on the heap, so the garbage collector comes late for them: up to 64 MB lie about in every thread. A view of
 * something larger (a buffer from Node's pool too) is left as it is.
 */
export function freeMemory(bytes: Uint8Array): void {
  const { buffer } = bytes;
  const whole = bytes.byteLength > 0 && bytes.byteLength === buffer.byteLength;
  if (whole && buffer instanceof ArrayBuffer) buffer.transfer(0);
}
