import { ConfigError } from '../config/config-error.js'
import type { Settings } from '../config/options.js'
import { type CertificateFolder, wrong } from './certificate-folder.js'
import type { Revocations } from './revocations.js'

/** What TLS clients show of themselves: nothing, a certificate, or one whose name is their login. */
export type ClientCertificates = 'none' | 'required' | 'identity'

/** Which certificates of clients are accepted. */
export interface ClientTrust extends Revocations {
  /** The CAs that may have signed one, in PEM. */
  readonly ca: string
  /** Whether a client's login is the name in its certificate. */
  readonly isIdentity: boolean
}

/**
 * What the settings ask of TLS clients.
 *
 * @throws ConfigError CONFIG_CONFLICT for TLS_IDENTITY_AS_USERNAME alone, with which no TLS client could log in.
 */
export function clientCertificates(
  settings: Pick<Settings, 'TLS_REQUIRE_CLIENT_CERT' | 'TLS_IDENTITY_AS_USERNAME'>,
): ClientCertificates {
  if (settings.TLS_REQUIRE_CLIENT_CERT) return settings.TLS_IDENTITY_AS_USERNAME ? 'identity' : 'required'
  if (!settings.TLS_IDENTITY_AS_USERNAME) return 'none'
  throw new ConfigError(
    'CONFIG_CONFLICT',
    'TLS_IDENTITY_AS_USERNAME is on without TLS_REQUIRE_CLIENT_CERT, so that no TLS client could log in; ' +
      'set TLS_REQUIRE_CLIENT_CERT=true too, or TLS_IDENTITY_AS_USERNAME=false',
  )
}

/**
 * Whom the `ca.crt` and `ca.crl` of a folder let in.
 *
 * @throws ConfigError CERTIFICATE_FILE without a `ca.crt`, and for a `ca.crl` that is none of its CA's.
 */
export async function readClientTrust(
  { path, files }: CertificateFolder,
  isIdentity: boolean,
  now: Date,
): Promise<ClientTrust> {
  const { 'ca.crt': ca, 'ca.crl': crl } = files
  if (ca === undefined) {
    throw wrong(
      path,
      'ca.crt',
      'is missing, and TLS_REQUIRE_CLIENT_CERT asks clients for a certificate that it signed',
      'put the CA of your clients there, or set TLS_REQUIRE_CLIENT_CERT=false',
    )
  }
  if (crl === undefined) return { ca, crl: [], isIdentity, isRevoked: () => false, warnings: [] }
  // Loaded where it is used: it takes a third of a start.
  const { readRevocations } = await import('./revocations.js')
  return { ca, isIdentity, ...(await readRevocations(path, ca, crl, now)) }
}
