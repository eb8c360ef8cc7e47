import { describe, expect, test } from 'vitest';
import {
  installCommand,
  isVersionAtLeast,
  MANAGERS,
  missingNeeds,
  missingSentence,
  NEEDS,
} from '../../scripts/system-packages.mjs';

describe('isVersionAtLeast', () => {
  test.each([
    ['7.87.0', '7.87', true],
    ['7.88.1', '7.87', true],
    ['8.0.0', '7.87', true],
    ['7.86.0', '7.87', false],
    ['7.9.0', '7.87', false],
    ['12', '11', true],
    ['9', '11', false],
    ['', '7.87', false],
  ])('%s against %s: %s', (have, want, expected) => {
    expect(isVersionAtLeast(have, want)).toBe(expected);
  });
});

describe('every need', () => {
  test.each(MANAGERS.map(({ command }) => command))('has a package for %s', (command) => {
    for (const need of NEEDS) {
      const packages: Record<string, string> = need.packages;
      expect(packages[command], need.what).toMatch(/^[a-z0-9+_ -]+$/);
    }
  });
});

test('the levels include one another', () => {
  const all = new Set(NEEDS.map(({ level }) => level));
  expect([...all]).toEqual(['build', 'core', 'test', 'check']);
  expect(() => missingNeeds('everything')).toThrow(TypeError);
});

test('the sentence names what is missing and what to type', () => {
  const headers = NEEDS.filter(({ what }) => what.startsWith('the headers of'));
  const apt = MANAGERS.find(({ command }) => command === 'apt-get');
  expect(installCommand(headers, apt)).toMatch(
    /^(sudo )?apt-get install -q -y --no-install-recommends libcurl4-openssl-dev libssl-dev libuv1-dev$/,
  );
  expect(missingSentence(headers)).toMatch(
    /^mcurl needs the headers of libcurl 7\.87 or newer, the headers of OpenSSL, and the headers of libuv: (type '.+'|install that with .+)\.$/,
  );
});
