import type { Settings } from './config/options.js'

/** What the first start has to show once. */
export interface Welcome {
  readonly user: string
  readonly password: string
  readonly mqttPort: Settings['MQTT_PORT']
}

/** The administrator's password, which is kept nowhere, and a line that publishes with it. */
export function welcomeText({ user, password, mqttPort }: Welcome): string {
  const port = typeof mqttPort === 'number' && mqttPort !== 1883 ? ` -p ${mqttPort}` : ''
  return [
    '',
    'An administrator was made. This is the only time that the password is shown:',
    '',
    `  user      ${user}`,
    `  password  ${password}`,
    '',
    'Publish a reading, and see it stored:',
    '',
    `  mosquitto_pub -h localhost${port} -u ${user} -P ${password} -q 1 -t devices/demo/data -m '{"temperature":25.5}'`,
    '  npx damselfly device show demo',
    '',
    '',
  ].join('\n')
}
