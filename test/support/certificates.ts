/** Certificates made with openssl: an authority of the tests' own and what it signed. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  /** PEM files. */
  readonly certFile: string;
  readonly keyFile: string;
  /** The same as text. */
  readonly cert: string;
  readonly key: string;
}

export interface Certificates {
  /** What a client that trusts the authority is given (`--cacert`). */
  readonly caFile: string;
  readonly ca: string;
  /** For 127.0.0.1, localhost and every name below localhost. */
  readonly server: Certificate;
  /** For `elsewhere.test` only. */
  readonly wrongName: Certificate;
  /** A client's, with common name `some-client`. */
  readonly client: Certificate;
}

/** Makes them in `directory`. */
export function makeCertificates(directory: string): Certificates {
  const openssl = (words: string) =>
    execFileSync('openssl', words.split(' '), { cwd: directory, stdio: 'pipe' });
  const newKey = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -batch';
  openssl(`req -x509 ${newKey} -days 2 -subj /CN=mcurl-tests -keyout ca.key -out ca.pem`);

  const sign = (name: string, subject: string, extension: string): Certificate => {
    openssl(`req ${newKey} -subj /CN=${subject} -keyout ${name}.key -out ${name}.csr`);
    writeFileSync(join(directory, `${name}.ext`), extension);
    const authority = '-CA ca.pem -CAkey ca.key -CAcreateserial -days 2';
    openssl(`x509 -req -in ${name}.csr ${authority} -extfile ${name}.ext -out ${name}.pem`);
    const certFile = join(directory, `${name}.pem`);
    const keyFile = join(directory, `${name}.key`);
    return {
      certFile,
      keyFile,
      cert: readFileSync(certFile, 'utf8'),
      key: readFileSync(keyFile, 'utf8'),
    };
  };
  const caFile = join(directory, 'ca.pem');
  return {
    caFile,
    ca: readFileSync(caFile, 'utf8'),
    server: sign(
      'server',
      'localhost',
      'subjectAltName=DNS:localhost,DNS:*.localhost,IP:127.0.0.1',
    ),
    wrongName: sign('wrong', 'elsewhere.test', 'subjectAltName=DNS:elsewhere.test'),
    client: sign('client', 'some-client', 'extendedKeyUsage=clientAuth'),
  };
}
