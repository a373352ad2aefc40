import type { Subject } from './alert.js'

/** Of a device that the database knows, its own topic; of everything else, the server's. */
export function alertTopic(subject: Subject): string {
  const deviceId = 'device_id' in subject ? subject.device_id : undefined
  return `system/alerts/${deviceId !== undefined && isLevel(deviceId) ? deviceId : 'server'}`
}

/** Whether a name that a database has can be one level of a topic. [MQTT-4.7.1-1], [MQTT-4.7.3-2] */
function isLevel(name: string): boolean {
  return name !== '' && !/[/+#\0]/.test(name)
}
