import { expect, test } from 'vitest';
import { isLoopbackAddress, isPublicAddress } from './addresses.ts';

test('public addresses are told from private, loopback, shared and malformed ones', () => {
  for (const address of ['1.1.1.1', '8.8.8.8', '::ffff:8.8.8.8', '2606:4700::1', '172.32.0.1', '100.128.0.1']) {
    expect(isPublicAddress(address), address).toBe(true);
  }
  const refused = ['0.0.0.0', '10.1.2.3', '127.0.0.1', '::ffff:127.0.0.1', '192.168.1.1', '169.254.0.1', '224.0.0.1'];
  for (const address of [...refused, '255.255.255.255', '172.31.255.255', '100.64.0.1', '::1', '::', 'fe80::1']) {
    expect(isPublicAddress(address), address).toBe(false);
  }
  for (const address of ['fd00::1', 'ff02::1', '2002:7f00:1::', '64:ff9b::7f00:1', 'localhost', '', '1.2.3', '[::1]']) {
    expect(isPublicAddress(address), address).toBe(false);
  }
});

test('loopback is all of 127.0.0.0/8, ::1 and the mapped form', () => {
  expect(['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'].every(isLoopbackAddress)).toBe(true);
  expect(['10.0.0.1', '::2', '128.0.0.1', 'localhost'].some(isLoopbackAddress)).toBe(false);
});
