import { expect, it } from 'vitest';
import { decodeDontHave, encodeDontHave } from './dont-have.ts';
import { ProtocolError } from './protocol.ts';

it("is four bytes under the receiver's id", () => {
  expect(encodeDontHave(9, 0x0102).toString('hex')).toBe(`00000006${'14'}${'09'}00000102`);
  expect(decodeDontHave(Buffer.from('00000102', 'hex'), 0x0103)).toBe(0x0102);
});

it('is refused with another length or a piece that there is not', () => {
  for (const length of [0, 3, 5]) expect(() => decodeDontHave(Buffer.alloc(length), 10)).toThrow(ProtocolError);
  expect(() => decodeDontHave(Buffer.from('0000000a', 'hex'), 10)).toThrow(ProtocolError);
  expect(() => decodeDontHave(Buffer.from('ffffffff', 'hex'), 10)).toThrow(ProtocolError);
});
