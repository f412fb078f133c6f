import { describe, expect, it } from 'vitest';
import { BaeError, errorKind } from '../../lib/errors.ts';
import { seededRandom } from '../../lib/random.ts';
import {
  createRoot,
  formatKeyFile,
  MAX_KEY_FILE_BYTES,
  MAX_ROOT_BYTES,
  newSlotKey,
  openRoot,
  parseKeyFile,
  sealReason,
  unwrapBundleKey,
  wrapBundleKey,
} from './index.ts';

const random = seededRandom(11);

/** What was thrown, as kind and reason. */
function thrown(call: () => unknown): [string, string | null] {
  try {
    call();
  } catch (error) {
    return [errorKind(error), sealReason(error)];
  }
  throw new Error('nothing was thrown');
}

describe('key file', () => {
  const slot = newSlotKey(random);
  const text = formatKeyFile(slot);

  it('reads back, also after an editor touched its line ends', () => {
    expect(parseKeyFile(text)).toEqual(slot);
    expect(parseKeyFile(text.replaceAll('\n', ' \r\n'))).toEqual(slot);
  });

  it('refuses any changed digit, line or length, and never tells the key', () => {
    const lines = text.split('\n');
    for (const [at, line] of lines.slice(1, 5).entries()) {
      const flipped = `${line.slice(0, -1)}${line.endsWith('0') ? '1' : '0'}`;
      const bad = lines.with(at + 1, flipped).join('\n');
      expect(thrown(() => parseKeyFile(bad))).toEqual(['bad-input', null]);
    }
    for (const bad of ['', 'x', text.slice(0, 100), `${text}more: 1\n`, text.padEnd(MAX_KEY_FILE_BYTES + 1)]) {
      expect(() => parseKeyFile(bad)).toThrow(BaeError);
      expect(() => parseKeyFile(bad)).not.toThrow(slot.key.toString('hex'));
    }
  });
});

describe('root object', () => {
  const slot = newSlotKey(random);
  const { root, keys } = createRoot(slot, random);

  it('opens with its key file to the same keys', () => {
    expect(openRoot(root, parseKeyFile(formatKeyFile(slot)))).toEqual(keys);
  });

  it('holds no key in clear', () => {
    for (const key of [slot.key, keys.master.key, keys.namingKey]) {
      expect(root.includes(key.toString('hex'))).toBe(false);
    }
  });

  it('tells another library, a removed slot and a wrong key apart', () => {
    expect(thrown(() => openRoot(root, newSlotKey(random)))).toEqual(['refused', null]);
    expect(thrown(() => openRoot(root, { ...slot, slotId: random.bytes(16) }))).toEqual(['refused', null]);
    expect(thrown(() => openRoot(root, { ...slot, key: random.bytes(32) }))).toEqual(['corrupt', 'wrong-key']);
  });

  it('refuses any flipped bit, any cut and what is too long', () => {
    for (let at = 0; at < root.length; at++) {
      const bad = Buffer.from(root);
      bad[at] = (bad[at] as number) ^ (1 << (at % 7));
      expect(() => openRoot(bad, slot)).toThrow(BaeError);
    }
    for (let length = 0; length < root.length; length += 7) {
      expect(() => openRoot(root.subarray(0, length), slot)).toThrow(BaeError);
    }
    expect(() => openRoot(Buffer.concat([root, Buffer.alloc(MAX_ROOT_BYTES)]), slot)).toThrow(BaeError);
  });
});

describe('bundle keys', () => {
  const { keys } = createRoot(newSlotKey(random), random);
  const bundleId = random.bytes(16);
  const bundleKey = random.bytes(32);
  const wrapped = wrapBundleKey(keys, bundleId, bundleKey, random);

  it('unwrap, also after the master key changed', () => {
    expect(unwrapBundleKey(keys, bundleId, wrapped)).toEqual(bundleKey);
    const changed = { ...keys, master: { epoch: 2, key: random.bytes(32) }, previous: [keys.master] };
    expect(unwrapBundleKey(changed, bundleId, wrapped)).toEqual(bundleKey);
  });

  it('do not unwrap for another bundle, library or master key, nor altered or cut', () => {
    const wrongKey = ['corrupt', 'wrong-key'];
    expect(thrown(() => unwrapBundleKey(keys, random.bytes(16), wrapped))).toEqual(wrongKey);
    expect(thrown(() => unwrapBundleKey({ ...keys, libraryId: random.bytes(16) }, bundleId, wrapped))).toEqual(
      wrongKey,
    );
    const other = { ...keys, master: { epoch: 1, key: random.bytes(32) } };
    expect(thrown(() => unwrapBundleKey(other, bundleId, wrapped))).toEqual(wrongKey);
    for (let bit = 0; bit < wrapped.length * 8; bit++) {
      const bad = Buffer.from(wrapped);
      bad[bit >> 3] = (bad[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(() => unwrapBundleKey(keys, bundleId, bad)).toThrow(BaeError);
    }
    for (let length = 0; length < wrapped.length; length++) {
      expect(() => unwrapBundleKey(keys, bundleId, wrapped.subarray(0, length))).toThrow(BaeError);
    }
  });
});
