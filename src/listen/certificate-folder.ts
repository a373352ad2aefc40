import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ConfigError } from '../config/config-error.js'
import { errorCode, replaceFile } from '../config/replace-file.js'

/** What a folder of certificates may hold that is read from it. */
export const CERTIFICATE_FILES = ['ca.crt', 'ca.key', 'ca.crl', 'server.crt', 'server.key'] as const

/** A file of the folder, each in PEM. */
export type CertificateFile = (typeof CERTIFICATE_FILES)[number]

/** What a folder of certificates holds; an absent file has no entry. */
export interface CertificateFolder {
  readonly path: string
  readonly files: Readonly<Partial<Record<CertificateFile, string>>>
  /** Those that were written since the folder was read. */
  readonly made: readonly CertificateFile[]
}

/** @throws ConfigError CERTIFICATE_FILE for a file that is there and cannot be read. */
export async function readFolder(path: string): Promise<CertificateFolder> {
  const files: Partial<Record<CertificateFile, string>> = {}
  for (const name of CERTIFICATE_FILES) {
    try {
      files[name] = await readFile(join(path, name), 'utf8')
    } catch (error) {
      if (errorCode(error) === 'ENOENT') continue
      throw wrong(path, name, `cannot be read (${errorCode(error)})`, 'check what it is and its permissions')
    }
  }
  return { path, files, made: [] }
}

/** Whether there is a `server.crt` or `server.key` in the folder at `path`. */
export async function hasCertificates(path: string): Promise<boolean> {
  const { files } = await readFolder(path)
  return files['server.crt'] !== undefined || files['server.key'] !== undefined
}

/** Writes a file, and returns the folder with it. Its owner alone may read a key, everyone a certificate. */
export async function withFile(
  folder: CertificateFolder,
  name: CertificateFile,
  pem: string,
): Promise<CertificateFolder> {
  try {
    await replaceFile(join(folder.path, name), pem, name.endsWith('.key') ? 0o600 : 0o644)
  } catch (error) {
    throw wrong(folder.path, name, `cannot be written (${errorCode(error)})`, 'check the folder')
  }
  return { path: folder.path, files: { ...folder.files, [name]: pem }, made: [...folder.made, name] }
}

/** Each PEM block of this kind in a file, without the text around them. */
export function blocksOf(label: 'CERTIFICATE' | 'X509 CRL', text: string): readonly string[] {
  return text.match(new RegExp(`-----BEGIN ${label}-----[^-]+-----END ${label}-----`, 'g')) ?? []
}

/** @throws ConfigError CERTIFICATE_FILE when `pem` does not start with a certificate. */
export function parseCertificate(path: string, name: CertificateFile, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch {
    throw wrong(path, name, 'is no certificate in PEM', 'replace it')
  }
}

/** @throws ConfigError CERTIFICATE_FILE when `pem` is no private key, or an encrypted one. */
export function parseKey(path: string, name: CertificateFile, pem: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch {
    throw wrong(path, name, 'is no unencrypted private key in PEM', 'replace it')
  }
}

/**
 * The certificate, when the key is its own.
 *
 * @throws ConfigError CERTIFICATE_FILE when either cannot be parsed, or they do not belong together.
 */
export function parsePair(
  path: string,
  certificate: { readonly name: CertificateFile; readonly pem: string },
  key: { readonly name: CertificateFile; readonly pem: string },
): X509Certificate {
  const parsed = parseCertificate(path, certificate.name, certificate.pem)
  if (parsed.checkPrivateKey(parseKey(path, key.name, key.pem))) return parsed
  throw wrong(path, key.name, `is not the key of ${certificate.name}`, 'replace the one that is wrong')
}

/** The error about a file of the folder: what is wrong with it, and what to do. */
export function wrong(folder: string, name: CertificateFile, problem: string, remedy: string): ConfigError {
  return new ConfigError('CERTIFICATE_FILE', `${join(folder, name)} ${problem}; ${remedy}`)
}
