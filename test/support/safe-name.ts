import { expect } from 'vitest';

/** Expects one component of a path that no file system, shell or terminal takes amiss. */
export function expectSafeName(name: string): void {
  expect(Buffer.byteLength(`${name}.999999999.part`)).toBeLessThanOrEqual(255);
  expect(name).toMatch(
    /^[^\p{Cc}\p{Bidi_Control}/\\:*?"<>|.\s-][^\p{Cc}\p{Bidi_Control}/\\:*?"<>|]*$/u,
  );
  expect(name).not.toMatch(/[. ]$|\.part$/i);
  expect(name).not.toMatch(/^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i);
  expect(name).not.toMatch(/\p{Surrogate}/u);
}
