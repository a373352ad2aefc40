import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { atEarliest } from '../clock/clock.js'
import {
  blocksOf,
  type CertificateFolder,
  parseCertificate,
  parseKey,
  parsePair,
  readFolder,
  withFile,
  wrong,
} from './certificate-folder.js'
import { type ClientCertificates, type ClientTrust, readClientTrust } from './client-trust.js'
import { distinctNames, hostNames, isDnsName } from './host-names.js'

/** What the TLS listeners serve, and what is to be said of it. */
export interface Certificates {
  /** The CA's certificate, for clients to trust; `undefined` where the folder has none. */
  readonly caPath: string | undefined
  readonly certPath: string
  readonly keyPath: string
  /** `server.crt` in PEM, with the chain that it may hold. */
  readonly cert: string
  /** `server.key` in PEM. */
  readonly key: string
  /** Whose certificates are accepted; `undefined` where clients need not show any. */
  readonly clients: ClientTrust | undefined
  /** The DNS names and IP addresses that the certificate is good for. */
  readonly names: readonly string[]
  readonly expires: Date
  /** SHA-256 over the server's certificate, as `openssl x509 -fingerprint -sha256` prints it. */
  readonly fingerprint: string
  /** Paths of the files that were made just now. */
  readonly madeFiles: readonly string[]
  /** A sentence for each thing that does not stop the server but will stop clients. */
  readonly warnings: readonly string[]
}

/** The part that a TLS listener works with. */
export type ServedCertificates = Pick<Certificates, 'cert' | 'key' | 'clients'>

/** What a new certificate is made for, and what clients are asked for. */
export interface CertificateOptions {
  /** Names and addresses for a new certificate, beside those that this machine knows of itself. */
  readonly names?: readonly string[]
  /** `none` unless it is given. `ca.crl` is read with the other two alone. */
  readonly clients?: ClientCertificates
  readonly now?: Date
}

/** Enough for a person to notice a warning in the log and act. */
const WARN_BEFORE_MS = 30 * 86_400_000

const OWN_PAIR_INSTEAD =
  'put a server.crt and server.key of your own there, or move ca.crt and ca.key away to have new ones made'

/**
 * The certificates in the folder at `path`: as they are where `server.crt` or `server.key` exists, else made,
 * signed by the CA of `ca.crt` and `ca.key`, which is made as well where it does not exist.
 *
 * @throws ConfigError CERTIFICATE_FILE for a file that cannot be read, parsed or written, for a key that is
 *   not its certificate's, for half a pair, and where clients have to show a certificate for a missing `ca.crt`
 *   and a `ca.crl` that is not its own.
 */
export async function ensureCertificates(
  path: string,
  options: CertificateOptions = {},
): Promise<Certificates> {
  const folder = await readFolder(path)
  if (folder.files['server.crt'] !== undefined || folder.files['server.key'] !== undefined) {
    return examine(folder, options)
  }
  return examine(await withServer(await withAuthority(folder, options), options), options)
}

/**
 * The certificates in the folder at `path` as they are by now, to be served in the place of those `inForce`, and
 * to ask of clients what those do. Makes nothing.
 *
 * @throws ConfigError CERTIFICATE_FILE as `ensureCertificates` does, for a missing `server.crt`, and where a
 *   `ca.crl` in force is missing, without which everyone whom it revokes would be let in again.
 */
export async function reloadCertificates(
  path: string,
  inForce: Pick<Certificates, 'clients'>,
): Promise<Certificates> {
  const folder = await readFolder(path)
  const { clients } = inForce
  if (clients === undefined) return examine(folder, {})
  if (clients.crl.length > 0 && folder.files['ca.crl'] === undefined) {
    throw wrong(path, 'ca.crl', 'is missing, and was in force', 'put it back; without one it takes a restart')
  }
  return examine(folder, { clients: clients.isIdentity ? 'identity' : 'required' })
}

/**
 * Puts a new `server.crt` in the place of the old one: for its names, those of this machine and those of
 * `options`, and for the same key, so that one file changes and a crash cannot leave two that do not match.
 * Without an old one it is `ensureCertificates`.
 *
 * @throws ConfigError CERTIFICATE_FILE as `ensureCertificates` does, and where the CA is missing or is not
 *   the one that signed the old certificate.
 */
export async function renewServerCertificate(
  path: string,
  options: CertificateOptions = {},
): Promise<Certificates> {
  const folder = await readFolder(path)
  if (folder.files['server.crt'] === undefined) return ensureCertificates(path, options)
  const old = await examine(folder, options)
  const { 'ca.crt': ca, 'server.crt': chain } = folder.files
  if (ca !== undefined && !isSignedBy(parseCertificate(path, 'ca.crt', ca), chain)) {
    throw wrong(path, 'server.crt', 'was not signed by ca.crt', 'renew it where it came from')
  }
  const names = [...old.names, ...(options.names ?? [])]
  return examine(await withServer(folder, { ...options, names }), options)
}

async function withAuthority(
  folder: CertificateFolder,
  options: CertificateOptions,
): Promise<CertificateFolder> {
  const { 'ca.crt': certificate, 'ca.key': pem } = folder.files
  if (certificate !== undefined) return folder
  // Loaded where it is used, once in the life of a folder: it takes a third of a start.
  const { makeAuthority, makeKey, toPem } = await import('./issue-certificate.js')
  // A key without its certificate is what a crash between these two files leaves behind.
  const key = pem === undefined ? await makeKey() : parseKey(folder.path, 'ca.key', pem)
  const made = await makeAuthority(key, timeOfMaking(options)).catch((error: unknown) => {
    throw wrong(folder.path, 'ca.key', `cannot sign (${String(error)})`, OWN_PAIR_INSTEAD)
  })
  const withKey = pem === undefined ? await withFile(folder, 'ca.key', toPem(key)) : folder
  return withFile(withKey, 'ca.crt', made)
}

async function withServer(
  folder: CertificateFolder,
  options: CertificateOptions,
): Promise<CertificateFolder> {
  const { issueServer, makeKey, toPem } = await import('./issue-certificate.js')
  const now = timeOfMaking(options)
  const authority = authorityOf(folder, now)
  const pem = folder.files['server.key']
  const key = pem === undefined ? await makeKey() : parseKey(folder.path, 'server.key', pem)
  const names = distinctNames([...hostNames(), ...(options.names ?? [])])
  const request = { names, key, now }
  const issued = await issueServer(authority, request).catch((error: unknown) => {
    throw wrong(folder.path, 'ca.key', `cannot sign (${String(error)})`, OWN_PAIR_INSTEAD)
  })
  const withKey = pem === undefined ? await withFile(folder, 'server.key', toPem(key)) : folder
  return withFile(withKey, 'server.crt', issued)
}

/** What is made while the clock is not set is to be valid when it is. */
function timeOfMaking({ now }: CertificateOptions): Date {
  return now ?? new Date(atEarliest(Date.now()))
}

function authorityOf({ path, files }: CertificateFolder, now: Date): { certificate: string; key: string } {
  const { 'ca.crt': certificate, 'ca.key': key } = files
  if (certificate === undefined || key === undefined) {
    const missing = certificate === undefined ? 'ca.crt' : 'ca.key'
    throw wrong(path, missing, 'is missing, so no server certificate can be signed', OWN_PAIR_INSTEAD)
  }
  const parsed = parsePair(path, { name: 'ca.crt', pem: certificate }, { name: 'ca.key', pem: key })
  if (!parsed.ca) throw wrong(path, 'ca.crt', 'is not the certificate of a CA', OWN_PAIR_INSTEAD)
  if (now > new Date(parsed.validTo)) throw wrong(path, 'ca.crt', 'has expired', OWN_PAIR_INSTEAD)
  return { certificate, key }
}

async function examine(folder: CertificateFolder, options: CertificateOptions): Promise<Certificates> {
  const { path, files, made } = folder
  const { 'ca.crt': ca, 'server.crt': cert, 'server.key': key } = files
  if (cert === undefined && key === undefined) throw wrong(path, 'server.crt', 'is missing', 'put it back')
  if (cert === undefined) throw halfPair(path, 'server.crt', 'server.key')
  if (key === undefined) throw halfPair(path, 'server.key', 'server.crt')
  const certificate = parsePair(path, { name: 'server.crt', pem: cert }, { name: 'server.key', pem: key })
  try {
    createSecureContext({ cert, key })
  } catch (error) {
    throw wrong(path, 'server.crt', `cannot be served (${String(error)})`, 'replace it and server.key')
  }
  const now = options.now ?? new Date()
  const authority = ca === undefined ? undefined : parseCertificate(path, 'ca.crt', ca)
  const warnings = timeWarnings(path, 'server.crt', certificate, now)
  if (authority !== undefined) {
    warnings.push(...timeWarnings(path, 'ca.crt', authority, now))
    if (!isSignedBy(authority, cert)) {
      warnings.push(`${join(path, 'server.crt')} was not signed by ca.crt; clients that trust that refuse it`)
    }
  }
  const use = options.clients ?? 'none'
  const clients = use === 'none' ? undefined : await readClientTrust(folder, use === 'identity', now)
  return {
    caPath: authority && join(path, 'ca.crt'),
    certPath: join(path, 'server.crt'),
    keyPath: join(path, 'server.key'),
    cert,
    key,
    clients,
    names: namesOf(certificate),
    expires: new Date(certificate.validTo),
    fingerprint: certificate.fingerprint256,
    madeFiles: made.map((name) => join(path, name)),
    warnings: [...warnings, ...(clients?.warnings ?? [])],
  }
}

function halfPair(path: string, missing: 'server.crt' | 'server.key', other: string) {
  return wrong(path, missing, `is missing beside ${other}`, `put it there, or move ${other} away`)
}

function timeWarnings(
  folder: string,
  name: 'ca.crt' | 'server.crt',
  certificate: X509Certificate,
  now: Date,
): string[] {
  const path = join(folder, name)
  const from = new Date(certificate.validFrom)
  const to = new Date(certificate.validTo)
  const day = to.toISOString().slice(0, 10)
  const remedy =
    name === 'ca.crt'
      ? 'move all four files away to have new ones made, and give every client the new ca.crt'
      : '`damselfly certs --renew` makes a new one where ca.key is present'
  if (now < from) return [`${path} is valid only from ${from.toISOString()}; check the clock`]
  if (now > to) return [`${path} expired on ${day}, and clients refuse it; ${remedy}`]
  return to.getTime() - now.getTime() < WARN_BEFORE_MS ? [`${path} expires on ${day}; ${remedy}`] : []
}

/** Whether `authority` has signed the server's certificate, or one of the chain behind it. */
function isSignedBy(authority: X509Certificate, chain: string | undefined): boolean {
  return blocksOf('CERTIFICATE', chain ?? '').some((pem) => {
    const certificate = new X509Certificate(pem)
    return certificate.checkIssued(authority) && certificate.verify(authority.publicKey)
  })
}

/** The names and addresses in Node's list of them, `DNS:localhost, IP Address:127.0.0.1`. */
function namesOf(certificate: X509Certificate): string[] {
  const entries = (certificate.subjectAltName ?? '').split(', ')
  const names = entries.map((entry) => /^(?:DNS|IP Address):(.+)$/.exec(entry)?.[1] ?? '')
  return distinctNames(names.filter((name) => isIP(name) !== 0 || isDnsName(name)))
}
