// Before @peculiar/x509, whose decorators need it.
import 'reflect-metadata'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { X509Certificate, X509Crl } from '@peculiar/x509'
import { blocksOf, wrong } from './certificate-folder.js'

/** What a `ca.crl` says. */
export interface Revocations {
  /** Each CRL in PEM. Once there is one, OpenSSL wants one, and one in time, of every CA in a client's chain. */
  readonly crl: readonly string[]
  /** Whether it revokes the certificate of this serial number, which is in hexadecimal digits. */
  readonly isRevoked: (serialNumber: string) => boolean
  /** A sentence for each thing that will keep clients out. */
  readonly warnings: readonly string[]
}

/** `openssl ca` makes CRLs for 30 days unless told otherwise; a warning at every start would not be read. */
const WARN_BEFORE_MS = 7 * 86_400_000

/**
 * Reads the `ca.crl` of the folder at `path`, one CRL or several of them in PEM.
 *
 * @param ca the `ca.crt` beside it
 * @throws ConfigError CERTIFICATE_FILE when it is no CRL, or has one that none of the CAs has signed: OpenSSL
 *   passes over that one, and then refuses every client for want of another.
 */
export async function readRevocations(
  path: string,
  ca: string,
  crl: string,
  now: Date,
): Promise<Revocations> {
  const authorities = blocksOf('CERTIFICATE', ca).map((pem) => new X509Certificate(pem))
  const lists = blocksOf('X509 CRL', crl).map((pem) => ({ pem, parsed: parse(path, pem) }))
  if (lists.length === 0) throw wrong(path, 'ca.crl', 'is no CRL in PEM', 'replace it, or move it away')
  const issuers = new Set<X509Certificate>()
  for (const { parsed } of lists) {
    const issuer = await issuerOf(parsed, authorities)
    if (issuer === undefined) {
      const problem = `was not signed by ca.crt (with RSA, P-256, P-384, P-521 or Ed25519), but by ${parsed.issuer}`
      throw wrong(path, 'ca.crl', problem, 'replace the one that is wrong')
    }
    issuers.add(issuer)
  }
  const revoked = new Set(lists.flatMap(({ parsed }) => parsed.entries.map(serialOf)))
  const without = authorities.filter((authority) => !issuers.has(authority))
  return {
    crl: lists.map(({ pem }) => pem),
    isRevoked: (serialNumber) => revoked.has(serialOf({ serialNumber })),
    warnings: [
      ...lists.flatMap(({ parsed }) => timeWarnings(join(path, 'ca.crl'), parsed, now)),
      ...without.map(
        ({ subject }) => `${join(path, 'ca.crl')} has no CRL of ${subject}, so that its clients are refused`,
      ),
    ],
  }
}

function parse(path: string, pem: string): X509Crl {
  try {
    createSecureContext({ crl: pem })
    // The parser's own limit ends at 3,000 entries; an ASN.1 node takes two bytes at the least.
    return new X509Crl(pem, { berOptions: { maxNodes: pem.length } })
  } catch {
    throw wrong(path, 'ca.crl', 'is no CRL in PEM', 'replace it, or move it away')
  }
}

async function issuerOf(
  crl: X509Crl,
  authorities: readonly X509Certificate[],
): Promise<X509Certificate | undefined> {
  for (const authority of authorities) {
    // It throws for some keys that the signature cannot be of.
    const isSigned = await crl.verify({ publicKey: authority.publicKey }).catch(() => false)
    if (isSigned && crl.issuer === authority.subject) return authority
  }
  return undefined
}

function timeWarnings(path: string, { thisUpdate, nextUpdate, issuer }: X509Crl, now: Date): string[] {
  if (now < thisUpdate) return [`${path} is valid only from ${thisUpdate.toISOString()}; check the clock`]
  if (nextUpdate === undefined) return []
  const day = nextUpdate.toISOString().slice(0, 10)
  const remedy = `have ${issuer} issue a new one`
  if (now > nextUpdate) return [`${path} expired on ${day}, so that every client is refused; ${remedy}`]
  const isSoon = nextUpdate.getTime() - now.getTime() < WARN_BEFORE_MS
  return isSoon ? [`${path} expires on ${day}, from when on every client is refused; ${remedy}`] : []
}

/** Without the zeros that a number in ASN.1 may have before it, and Node's notation of it may not. */
function serialOf({ serialNumber }: { readonly serialNumber: string }): string {
  return serialNumber.replace(/^0+/, '').toUpperCase()
}
