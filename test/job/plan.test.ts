import { describe, expect, it } from 'vitest';
import { hostOf, parseEntry, redacted, withoutUserinfo } from '../../src/job/plan.ts';

const SCHEMES = new Set(['http:', 'https:']);

describe('parseEntry', () => {
  it.each([
    ['http://a', 'http://a/'],
    ['HTTPS://A:443/b c?d#e', 'https://a/b%20c?d#e'],
    ['http://user:pass@a/x', 'http://user:pass@a/x'],
    ['http://é.example/é', 'http://xn--9ca.example/%C3%A9'],
    ['http://127.1/', 'http://127.0.0.1/'],
  ])('%s is the URL %s', (text, href) => {
    expect(parseEntry(text, SCHEMES)).toMatchObject({ href });
  });

  it.each([
    ['example.com/file', /no scheme: did you mean https:\/\/example\.com\/file\?/],
    ['//example.com/file', /did you mean https:\/\/example\.com\/file\?/],
    ['localhost:8080/file', /did you mean https:\/\/localhost:8080\/file\?/],
    ['user:secret@example.com/file', /did you mean https:\/\/example\.com\/file\?/],
    ['http://', /no valid URL/],
    ['http://a b/', /no valid URL/],
    ['http://a:99999/', /no valid URL/],
    ['"http://a/"', /no valid URL/],
    ['ftp://a/b', /ftp.*--proto \+ftp/],
    ['file:///etc/passwd', /the scheme file is not allowed$/],
  ])('%s is a bad line that says what to type', (text, problem) => {
    expect(parseEntry(text, SCHEMES)).toMatch(problem);
  });

  it('takes the schemes it is told, but no URL without a host', () => {
    const schemes = new Set(['ftp:', 'file:']);
    expect(parseEntry('ftp://a/b', schemes)).toMatchObject({ href: 'ftp://a/b' });
    expect(parseEntry('http://a/b', schemes)).toMatch(/--proto \+http/);
    expect(parseEntry('file:///etc/passwd', schemes)).toMatch(/no host/);
  });
});

it.each([
  ['http://a/b', 'http://a/b'],
  ['http://user:pa%40ss@a:1/b@c?d@e#f@g', 'http://a:1/b@c?d@e#f@g'],
  ['http://user@a/', 'http://a/'],
  ['http://a/?q=x@y', 'http://a/?q=x@y'],
  ['http://a?q=http://x@y', 'http://a?q=http://x@y'],
])('withoutUserinfo shows %s as %s', (href, shown) => {
  expect(withoutUserinfo(href)).toBe(shown);
});

it.each([
  ['example.com', 'example.com'],
  ['http://user:p/a:ss@w@a b/', 'http://a b/'],
  ['user:pass@a', 'a'],
])('redacted shows %s as %s', (text, shown) => {
  expect(redacted(text)).toBe(shown);
});

it.each([
  ['https://user@a:8443/b?c', 'https://a:8443'],
  ['http://a:80/', 'http://a'],
  ['ftp://a/b', 'ftp://a'],
  ['nonsense', ''],
])('hostOf %s is %s', (href, host) => {
  expect(hostOf(href)).toBe(host);
});
