/** What the schema of the file is made of. */
import Type, { type Static } from "typebox";

/** Names of realms and peers stand in logs, views and commands, so they are single words. */
export const NAME_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$";

export const closed = { additionalProperties: false } as const;

export const text = (description: string, maxLength = 255) => Type.String({ description, minLength: 1, maxLength });
export const texts = (description: string, maxItems: number, minItems = 0) =>
  Type.Array(Type.String({ minLength: 1, maxLength: 255 }), { description, minItems, maxItems, uniqueItems: true });
export const count = (description: string, minimum: number, maximum: number) =>
  Type.Integer({ description, minimum, maximum });
export const word = <const Words extends readonly string[]>(description: string, words: Words) =>
  Type.Unsafe<Words[number]>({ type: "string", description, enum: words });

/** A JSON object used as a table from names to values. */
export const table = <T extends Type.TSchema>(
  description: string,
  value: T,
  limits: { min?: number; max: number; names?: string },
) =>
  Type.Unsafe<Record<string, Static<T>>>({
    type: "object",
    description,
    minProperties: limits.min ?? 0,
    maxProperties: limits.max,
    propertyNames: { type: "string", pattern: limits.names ?? NAME_PATTERN },
    additionalProperties: value,
  });
