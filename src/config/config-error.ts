/** What a `ConfigError` is about; stable, for tests and scripts. */
export type ConfigErrorCode =
  | 'CONFIG_VALUE'
  | 'CONFIG_CONFLICT'
  | 'CONFIG_FILE'
  | 'CERTIFICATE_FILE'
  | 'PASSWORD_FILE'
  | 'ACL_FILE'

/**
 * The operator has to change something before the server can start. Its message names the value seen,
 * where it came from and what to do; the process prints it without a stack and exits with 1.
 */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly code: ConfigErrorCode

  constructor(code: ConfigErrorCode, message: string) {
    super(`${code}: ${message}`)
    this.code = code
  }
}
