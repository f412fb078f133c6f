import { z } from 'zod';
import { sealError } from './fault.ts';

/** JSON members that several documents share. Readers ignore members they do not know. */

/** Hex of exactly `bytes` bytes, as a Buffer. */
export const hexBytes = (bytes: number) =>
  z
    .string()
    .regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`))
    .transform((text) => Buffer.from(text, 'hex'));

/** A whole number from 0 to 2^53 − 1. */
export const whole = z.number().int().nonnegative();

/** A manifest's number, from 1. */
export const generationNumber = z.number().int().positive();

/** Any JSON object, kept as it is. */
export type JsonObject = Readonly<Record<string, unknown>>;
export const jsonObject: z.ZodType<JsonObject> = z.record(z.string(), z.unknown());

/** Parses JSON text that was authenticated; `corrupt` (altered) when it does not fit, naming the member. */
export function parseJson<Output>(schema: z.ZodType<Output>, text: string, what: string): Output {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw sealError('altered', `${what} is not JSON.`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw sealError('altered', `${what} does not fit its format: ${issue?.path.join('.')}: ${issue?.message}.`);
}
