// The inner loop of RC4 in WebAssembly: bytes on the left, their text form on the right, as wat2wasm assembles it.
// Memory, one page of 64 KiB: the permutation at 0, i at 256, j at 257, the bytes to work on from 1,024.
const TEXT = `
  00 61 73 6d 01 00 00 00     ; (module
  01 05 01 60 01 7f 00        ;   type 0: (func (param i32))
  03 02 01 00                 ;   function 0 is of type 0
  05 03 01 00 01              ;   (memory 1)
  07 10 02                    ;   two exports
  06 6d 65 6d 6f 72 79 02 00  ;   (export "memory" (memory 0))
  03 72 75 6e 00 00           ;   (export "run" (func 0))
  0a 7a 01 78 01 05 7f        ;   (func (param $length i32) (local $i i32) (local $j i32) (local $x i32) (local $y i32) (local $at i32)
  41 00 2d 00 80 02 21 01     ;     (local.set $i (i32.load8_u offset=256 (i32.const 0)))
  41 00 2d 00 81 02 21 02     ;     (local.set $j (i32.load8_u offset=257 (i32.const 0)))
  03 40                       ;     (loop
  20 01 41 01 6a 41 ff 01 71  ;       (i32.and (i32.add (local.get $i) (i32.const 1)) (i32.const 255))
  22 01 2d 00 00 22 03        ;       (local.tee $x (i32.load8_u (local.tee $i
  20 02 6a 41 ff 01 71        ;       (i32.and (i32.add (local.get $j)) (i32.const 255))
  22 02 2d 00 00 21 04        ;       (local.set $y (i32.load8_u (local.tee $j
  20 01 20 04 3a 00 00        ;       (i32.store8 (local.get $i) (local.get $y))
  20 02 20 03 3a 00 00        ;       (i32.store8 (local.get $j) (local.get $x))
  20 05 20 05 2d 00 80 08     ;       (local.get $at) (i32.load8_u offset=1024 (local.get $at))
  20 03 20 04 6a 41 ff 01 71  ;       (i32.and (i32.add (local.get $x) (local.get $y)) (i32.const 255))
  2d 00 00 73 3a 00 80 08     ;       (i32.store8 offset=1024 … (i32.xor … (i32.load8_u …)))
  20 05 41 01 6a 22 05        ;       (local.tee $at (i32.add (local.get $at) (i32.const 1)))
  20 00 49 0d 00 0b           ;       (br_if 0 (i32.lt_u … (local.get $length))))
  41 00 20 01 3a 00 80 02     ;     (i32.store8 offset=256 (i32.const 0) (local.get $i))
  41 00 20 02 3a 00 81 02 0b  ;     (i32.store8 offset=257 (i32.const 0) (local.get $j))))
`;

/** `run(length)` XORs `length` ≥ 1 bytes with the next of the key stream. */
export const RC4_MODULE = Uint8Array.from(
  TEXT.split('\n').flatMap((line) => line.replace(/;.*/, '').match(/[0-9a-f]{2}/g) ?? []),
  (hex) => Number.parseInt(hex, 16),
);
