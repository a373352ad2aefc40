import type { Administrator } from './auth/administrator.js'
import type { Listener } from './listen/listener.js'

/** What the welcome depends on. */
export interface WelcomeParts {
  readonly administrator: Administrator
  readonly listeners: readonly Pick<Listener, 'scheme' | 'port'>[]
  readonly caPath: string | undefined
  /** Whether a message makes its device known, or `device add` has to. */
  readonly registersDevices: boolean
}

/**
 * What the first start shows once: the administrator's password, which is kept nowhere, and a line that
 * publishes with it. `undefined` when no administrator was made.
 */
export function welcomeText(parts: WelcomeParts): string | undefined {
  const { name, madePassword: password } = parts.administrator
  if (name === undefined || password === undefined) return undefined
  const lines = [
    '',
    'An administrator was made. This is the only time that the password is shown:',
    '',
    `  user      ${name}`,
    `  password  ${password}`,
    '',
  ]
  const address = publishAddress(parts)
  if (address !== undefined) {
    lines.push(
      'Publish a reading, and see it stored:',
      '',
      ...(parts.registersDevices ? [] : ['  npx damselfly device add --device-id demo']),
      `  mosquitto_pub ${address} -u ${name} -P ${password} -q 1 -t devices/demo/data -m '{"temperature":25.5}'`,
      '  npx damselfly device show demo',
      '',
    )
  }
  return `${lines.join('\n')}\n`
}

/** Where mosquitto_pub connects to; it speaks no WebSocket. */
function publishAddress({ listeners, caPath }: WelcomeParts): string | undefined {
  const tcp = listeners.find(({ scheme }) => scheme === 'mqtt')
  if (tcp !== undefined) return tcp.port === 1883 ? '-h localhost' : `-h localhost -p ${tcp.port}`
  const tls = listeners.find(({ scheme }) => scheme === 'mqtts')
  return tls === undefined || caPath === undefined
    ? undefined
    : `-h localhost -p ${tls.port} --cafile ${caPath}`
}
