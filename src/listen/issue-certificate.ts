// Before @peculiar/x509, whose decorators need it.
import 'reflect-metadata'
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  randomBytes,
  webcrypto,
} from 'node:crypto'
import { isIP } from 'node:net'
import { promisify } from 'node:util'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'

/** A certificate and its private key (PKCS #8), in PEM. */
export interface CertificateAndKey {
  readonly certificate: string
  readonly key: string
}

/** What a server certificate is made of. */
export interface ServerRequest {
  /** DNS names and IP addresses under which clients reach the server. */
  readonly names: readonly string[]
  readonly key: KeyObject
  readonly now: Date
}

const DAY_MS = 86_400_000

/** Devices keep the CA for good, and there is no way to send them another: ten years. */
const AUTHORITY_DAYS = 3650

/**
 * Apple's systems refuse a server certificate that is valid for more than 825 days, also below a CA of one's
 * own (support.apple.com/103769), and both ends count. Devices do not notice a new one: they know the CA alone.
 */
const SERVER_DAYS = 824

/** For clients whose clocks are slow: within the days above. */
const BACKDATE_MS = DAY_MS

const generate = promisify(generateKeyPair)

/** A new key for a CA or a server: EC P-256, quick on an ESP32 (mbedTLS) and known to every TLS stack. */
export async function makeKey(): Promise<KeyObject> {
  return (await generate('ec', { namedCurve: 'P-256' })).privateKey
}

/** A private key as the PEM text of its file. */
export function toPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/** The certificate, in PEM, of a CA that signs servers, clients and CRLs, but no other CA (RFC 5280, 4.2.1.3 and 4.2.1.9). */
export async function makeAuthority(key: KeyObject, now: Date): Promise<string> {
  const { signingKey, publicKey, algorithm } = await imported(key)
  const certificate = await X509CertificateGenerator.createSelfSigned({
    // Two CAs of one name in a device's store would be told apart by luck.
    name: `CN=Damselfly CA ${randomBytes(4).toString('hex')}`,
    keys: { privateKey: signingKey, publicKey },
    signingAlgorithm: algorithm,
    serialNumber: serialNumber(),
    notBefore: new Date(now.getTime() - BACKDATE_MS),
    notAfter: new Date(now.getTime() - BACKDATE_MS + AUTHORITY_DAYS * DAY_MS),
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(publicKey),
      await AuthorityKeyIdentifierExtension.create(publicKey),
    ],
  })
  return pemFile(certificate)
}

/**
 * A server certificate, in PEM, signed by `authority`, which it does not outlive.
 *
 * @throws Error when the CA's key is neither RSA nor on one of the curves P-256, P-384 and P-521.
 */
export async function issueServer(authority: CertificateAndKey, request: ServerRequest): Promise<string> {
  const issuer = new X509Certificate(authority.certificate)
  const { signingKey, algorithm } = await imported(createPrivateKey(authority.key))
  const { publicKey } = await imported(request.key)
  const issuerKeyId = issuer.getExtension(SubjectKeyIdentifierExtension)?.keyId
  const notBefore = request.now.getTime() - BACKDATE_MS
  const certificate = await X509CertificateGenerator.create({
    subject: 'CN=Damselfly',
    issuer: issuer.subjectName,
    publicKey,
    signingKey,
    signingAlgorithm: algorithm,
    serialNumber: serialNumber(),
    notBefore: new Date(notBefore),
    notAfter: new Date(Math.min(notBefore + SERVER_DAYS * DAY_MS, issuer.notAfter.getTime())),
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension(request.names.map(alternativeName)),
      await SubjectKeyIdentifierExtension.create(publicKey),
      issuerKeyId === undefined
        ? await AuthorityKeyIdentifierExtension.create(issuer.publicKey)
        : new AuthorityKeyIdentifierExtension(issuerKeyId),
    ],
  })
  return pemFile(certificate)
}

function alternativeName(name: string): { type: 'dns' | 'ip'; value: string } {
  return { type: isIP(name) === 0 ? 'dns' : 'ip', value: name }
}

/** 126 random bits behind a set one: positive, and always 16 bytes (RFC 5280, 4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(16)
  bytes.writeUInt8((bytes.readUInt8(0) & 0x3f) | 0x40, 0)
  return bytes.toString('hex')
}

function pemFile(certificate: X509Certificate): string {
  return `${certificate.toString('pem').trim()}\n`
}

/** A key of Node's as the two of Web Crypto, and the signature algorithm that goes with it. */
async function imported(key: KeyObject) {
  const algorithm = algorithmOf(key)
  const pkcs8 = key.export({ type: 'pkcs8', format: 'der' })
  const signingKey = await webcrypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign'])
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' })
  const publicKey = await webcrypto.subtle.importKey('spki', spki, algorithm, true, ['verify'])
  return { signingKey, publicKey, algorithm }
}

function algorithmOf(key: KeyObject) {
  if (key.asymmetricKeyType === 'rsa') return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
  const curves = new Map([
    ['prime256v1', 'P-256'],
    ['secp384r1', 'P-384'],
    ['secp521r1', 'P-521'],
  ])
  const namedCurve = curves.get(key.asymmetricKeyDetails?.namedCurve ?? '')
  if (namedCurve !== undefined) return { name: 'ECDSA', namedCurve, hash: 'SHA-256' }
  throw new Error(`a key of type ${key.asymmetricKeyType} cannot sign here; RSA, P-256, P-384 and P-521 can`)
}
